"""Which files of a folder are the slices of a volume, and where along z each of them lies."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import math
import os
import re
from collections import Counter
from pathlib import Path

from pipeline.errors import InputError
from pipeline.volumes.listing import volumes_below
from pipeline.volumes.other_formats import other_folder
from pipeline.volumes.slice_image import SUFFIXES

HIDDEN = (".", "Thumbs.db", "desktop.ini")
"""How names begin that programs leave behind: `._z0001.tif` is macOS's, and no image."""

MOST_NAMED = 3


def slices_by_z(folder: Path, pattern: str, are_all: int | None = None, mend: str = "") -> dict[int, Path]:
    """The slices in `folder` that match `pattern`, by z: from 0 on, in the order of the numbers in the names.

    Numbers that go up by one step, whatever it is, are successive slices; where one is left out, so is its z.
    If there are just `are_all` slices, or that is 0, they are successive however these go up. Raises
    InputError where the names tell no order, which `mend` mends, where files do not belong, or two claim one
    place.
    """
    files = visible_files(folder, pattern)
    _refuse_strangers(files, folder)
    if len(files) == 1:
        return {0: files[0]}
    numbers = [[int(number) for number in re.findall(r"\d+", path.name)] for path in files]
    varying = [i for i in range(len(numbers[0])) if len({n[i] for n in numbers}) > 1]
    if len(varying) != 1:
        names = ", ".join(path.name for path in files[:MOST_NAMED])
        which = "no number" if not varying else "more than one number"
        raise InputError(
            f"folder {folder}: {which} in the names of the slices ({names}, ...) tells their order; give "
            "them names in which one number counts along z, or a pattern such as FOLDER/*_s1.tif"
        )
    return _placed({path: n[varying[0]] for path, n in zip(files, numbers)}, folder, are_all, mend)


def visible_files(folder: Path, pattern: str) -> list[Path]:
    """The files in `folder` that match `pattern`, by name, but for those that programs leave behind.

    Raises InputError where there is no such folder, and where one is a link that leads nowhere.
    """
    if not folder.is_dir():
        raise InputError(f"folder {folder}: no such folder; name the one that the slices are in")
    with os.scandir(folder) as entries:  # which knows files from folders without a look at each
        is_file = {e.name: e.is_file() for e in entries if e.is_file() or (e.is_symlink() and not e.is_dir())}
    names = [name for name in sorted(fnmatch.filter(is_file, pattern)) if not name.startswith(HIDDEN)]
    for name in names:
        if not is_file[name]:
            target = (folder / name).readlink()
            raise InputError(f"{folder / name} is a link to {target}, which is not there: mend or remove it")
    return [folder / name for name in names]


def _refuse_strangers(files: list[Path], folder: Path) -> None:
    """Raise InputError where there is no image, or not all names are as those of most images but for their
    numbers."""
    shapes = {path: re.sub(r"\d+", "#", path.name) for path in files}
    images = Counter(shape for shape in shapes.values() if shape.lower().endswith(SUFFIXES))
    if not images:
        other = other_folder(folder, (path.name for path in files))
        if other:
            raise InputError(f"folder {folder} holds {other}")
        raise InputError(
            f"folder {folder} holds no slices; they end in {', '.join(SUFFIXES)}: name their folder"
            + volumes_below(folder, SUFFIXES)
        )
    [(usual, _)] = images.most_common(1)
    strangers = [path.name for path in files if shapes[path] != usual]
    if strangers:
        named = ", ".join(strangers[:MOST_NAMED]) + (", ..." if len(strangers) > MOST_NAMED else "")
        pattern = glob.escape(usual).replace("#", "*")
        raise InputError(
            f"folder {folder}: {len(strangers)} of {len(files)} files are not named as the others, "
            f"{usual.replace('#', '*')}: {named}; move them away, or give the slices as "
            f"{folder / pattern}"
        )


def _placed(numbers: dict[Path, int], folder: Path, are_all: int | None, mend: str) -> dict[int, Path]:
    ordered = sorted(numbers, key=lambda path: numbers[path])
    steps = [numbers[b] - numbers[a] for a, b in itertools.pairwise(ordered)]
    if 0 in steps:
        a, b = ordered[steps.index(0)], ordered[steps.index(0) + 1]
        raise InputError(
            f"folder {folder}: {a.name} and {b.name} have the same number: move one of them away"
        )
    if are_all in (0, len(ordered)):
        return dict(enumerate(ordered))
    counts = Counter(steps)
    step = min(steps, key=lambda s: (-counts[s], s))  # z3, z5, z6: 4 is a gap
    if math.gcd(*steps) != step:
        wrong = next(i for i, s in enumerate(steps) if s % step)
        raise InputError(
            f"folder {folder}: slices go up by {step}, but {ordered[wrong].name} is followed by "
            f"{ordered[wrong + 1].name}; {mend}"
        )
    first = numbers[ordered[0]]
    return {(numbers[path] - first) // step: path for path in ordered}
