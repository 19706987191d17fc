"""Design: what a study varies, how it sums its points up, and what it draws of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.run_folder import Run
from workflows.studies.drawing import Panel
from workflows.studies.measured import Measured
from workflows.studies.point import Value

Row: TypeAlias = Mapping[str, Value | None]
"""Of a table: a value by column, None where there is none."""


@dataclass(frozen=True)
class Sizes:
    """How large a study is. A study looks at those that its design names."""

    fovs: int
    """Of each training."""
    ranks: Sequence[int] = (1, 2)
    rates: Sequence[float] = ()
    batches: Sequence[int] = (1, 2, 4)
    threads: Sequence[int] = (1, 2)
    precisions: Sequence[str] = ("float32",)
    """mixed_bfloat16 is emulated on many CPUs, fifty times slower."""
    repeats: int = 3
    f1: float | None = None
    """The score whose time is told; None: the best that all points have reached."""


@dataclass(frozen=True)
class Design:
    """One kind of study."""

    about: str
    """What its figure shows, in one line."""
    fovs: int
    """Of each training, unless the user says otherwise."""
    sizes: frozenset[str]
    """Which of Sizes it looks at, beside `fovs`."""
    vary: Callable[[Run, Sizes], list[dict[str, Value]]]
    """What sets each point apart, by the names of `point.SETTINGS`."""
    table: Callable[[Sequence[Measured], Sizes], list[Row]]
    """Given the points that were trained, at least one, in the order of `vary`."""
    panels: Callable[[Sequence[Measured], list[Row]], list[Panel]]
    """Given those and the table."""


def f1_to_reach(measured: Sequence[Measured], sizes: Sizes) -> float:
    """The F1 that was asked for, or the best that all points have reached."""
    if sizes.f1 is not None:
        return sizes.f1
    best = [point.curve.smoothed("f1").max(initial=0.0) for point in measured]
    return float(min(best))


def rounded(score: float | None) -> float | None:
    """A score as tables have it."""
    return None if score is None else round(score, 4)
