"""Every way to damage a finished run that damage_test.py tries, one file of each kind at a time."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from small_run import RECORD, STAGES, SmallRun

ARTIFACTS = {
    **STAGES,
    "volume info": "segmentation/info",
    "volume chunk": "segmentation/*/*",
    "checkpoint": "model/checkpoint.h5",
    "engine pin": "tiles/engine.json",
    "record of a group": "checked/*.json",
}
"""Kinds of files, as patterns below the run folder."""

READ_EACH_TIME = ("record of a group",)
"""Every start reads these whole, and one that verifies all else has no need of them."""


@dataclass(frozen=True)
class Damage:
    """One damage to come: `apply` does it, to files in a run folder that is whole.

    `files` are the damaged ones, relative to the run folder. A `silent` damage leaves size and time of
    change as they were, so only a command that reads every byte can notice it.
    """

    name: str
    files: tuple[str, ...]
    apply: Callable[[], None]
    silent: bool = False
    retrain: bool = False
    """The model is to be removed first, so that the training goes on from its checkpoint."""


def damages(run: SmallRun, foreign: SmallRun, rng: random.Random) -> Iterator[Damage]:
    """All damages of `run`, a finished one, in order; `foreign` is a finished run of other seeds."""
    for kind, pattern in ARTIFACTS.items():
        files = [path for path in run.files(pattern) if not path.name.endswith(RECORD)]
        yield from _of_one_kind(kind, files, run, foreign, rng)
    for kind, pattern in STAGES.items():
        yield from _of_one_kind(f"record of {kind}", run.files(pattern + RECORD), run, foreign, rng)
    for kind, pattern in STAGES.items():
        path = next(path for path in run.files(pattern) if not path.name.endswith(RECORD))
        yield _pair(f"{kind}: with its record from another run", path, run, foreign)


def _of_one_kind(
    kind: str, files: list[Path], run: SmallRun, foreign: SmallRun, rng: random.Random
) -> Iterator[Damage]:
    def damage(form: str, apply: Callable[[], None], *paths: Path, silent: bool = False) -> Damage:
        names = tuple(run.name(path) for path in paths)
        return Damage(f"{kind}: {form}", names, apply, silent, retrain=kind == "checkpoint")

    def one() -> Path:
        return rng.choice(files)

    path, place = one(), rng.random()
    yield damage("truncated", lambda: _truncate(path, place), path)
    flipped, bit = one(), rng.random()
    yield damage("one bit flipped", lambda: _flip(flipped, bit), flipped)
    silent, bit_too = one(), rng.random()
    yield damage(
        "one bit flipped silently",
        lambda: _flip_silently(silent, bit_too),
        silent,
        silent=kind not in READ_EACH_TIME,
    )
    deleted = one()
    yield damage("deleted", deleted.unlink, deleted)
    if len(files) > 1:
        a, b = rng.sample(files, 2)
        yield damage("swapped with another", lambda: _swap(a, b), a, b)
    taken = one()
    yield damage("from another run", lambda: _take(taken, run, foreign), taken)


def _pair(name: str, path: Path, run: SmallRun, foreign: SmallRun) -> Damage:
    record = path.with_name(path.name + RECORD)

    def apply() -> None:
        _take(path, run, foreign)
        _take(record, run, foreign)

    return Damage(name, (run.name(path), run.name(record)), apply)


def _truncate(path: Path, place: float) -> None:
    os.truncate(path, int(place * path.stat().st_size))


def _flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    byte, bit = divmod(int(place * 8 * len(content)), 8)
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def _flip_silently(path: Path, place: float) -> None:
    before = path.stat()
    _flip(path, place)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap(a: Path, b: Path) -> None:
    aside = a.with_name("aside")
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def _take(path: Path, run: SmallRun, foreign: SmallRun) -> None:
    """Put the other run's file of that name in the place of ours, with its time of change."""
    shutil.copy2(foreign.folder / run.name(path), path)
