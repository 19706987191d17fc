"""Numbers of things in words."""

from __future__ import annotations

LIKE_A_MASK = "this looks like a mask, as of cells, membranes or clefts, not like objects"
"""What is said of labels that have one id."""


def counted(count: int, noun: str) -> str:
    """`1 tile`, `2 tiles`, `1,234 tiles`: a number with its noun, which takes an s but for one."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def percent(share: float) -> str:
    """`12.34%`: a share, 0 to 1, of which a little is not nothing: `less than 0.01%`."""
    return "less than 0.01%" if 0 < share < 0.5e-4 else f"{share:.2%}"
