"""An alignment of which files were damaged is mended by the same command, as other runs are."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from taken import Taken, run_now

from pipeline.sections.stack import Stack
from workflows.section_stages import align

RECORD = ".done.json"


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[Path, bytes]:
    """All files but the records, which say when each was made."""
    return {path: found for path, found in everything(folder).items() if not path.name.endswith(RECORD)}


@pytest.fixture(scope="module")
def copied(aligned: Taken, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The alignment, finished, in a folder of its own."""
    folder = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(aligned.stack.folder, folder)
    return dataclasses.replace(aligned.stack, folder=folder)


def kinds(folder: Path) -> Iterator[list[Path]]:
    """The files of each kind, in order: those of a folder with one suffix."""
    files = sorted(contents(folder), key=lambda path: (str(path.parent), path.suffix, path.name))
    for _, alike in groupby(files, key=lambda path: (path.parent, path.suffix)):
        yield list(alike)


def truncate(files: list[Path]) -> None:
    path = files[len(files) // 2]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(files: list[Path]) -> None:
    path = files[len(files) // 2]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def delete(files: list[Path]) -> None:
    files[len(files) // 2].unlink()


def swap(files: list[Path]) -> None:
    if len(files) > 1:
        one, other = files[0].read_bytes(), files[-1].read_bytes()
        files[0].write_bytes(other)
        files[-1].write_bytes(one)


def lose_a_record(files: list[Path]) -> None:
    files[-1].with_name(files[-1].name + RECORD).unlink(missing_ok=True)


def swap_records(files: list[Path]) -> None:
    swap([each for each in (path.with_name(path.name + RECORD) for path in files) if each.exists()])


def truncate_a_record(files: list[Path]) -> None:
    record = files[0].with_name(files[0].name + RECORD)
    if record.exists():
        truncate([record])


@pytest.mark.parametrize(
    "damage", [truncate, flip_a_bit, delete, swap, lose_a_record, swap_records, truncate_a_record]
)
def test_one_file_of_each_kind_damaged_the_same_command_ends_in_the_same_bytes(
    damage: Callable[[list[Path]], None], copied: Stack, aligned: Taken
) -> None:
    before, whole = everything(copied.folder), contents(copied.folder)
    damaged = list(kinds(copied.folder))
    assert len(damaged) >= 7, "shifts, montages, overviews, pairs, places, flows, the volume, quality"
    for files in damaged:
        damage(files)
    assert everything(copied.folder) != before
    align(copied, aligned.sections, run_now)
    assert contents(copied.folder) == whole
