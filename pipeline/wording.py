"""Numbers of things in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 tile`, `2 tiles`, `1,234 tiles`: a number with its noun, which takes an s but for one."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
