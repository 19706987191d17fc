"""What happens to files between two starts, and what that makes run again: what is equal counts as equal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_explain import FROM_TILES, FROM_TRAINING, finish, make_run, unfinished

from pipeline.errors import Unreadable
from pipeline.run_folder import Run
from pipeline.settings.input_identities import write_kept
from tests.denied import make_loop
from workflows.planning.discards import discarded
from workflows.planning.explain import explain, outcomes, refusals

Place = Callable[[Path], list[str]]
"""Changes something in a folder that holds `data/` and `run/`; returns the settings of the next start."""

BASE = ["data.labels=labels.h5:ids", "data.image=image.h5:em"]


def start(folder: Path, *changes: str) -> Run:
    """A start in `folder`, which keeps what it found of the inputs, as a run does."""
    settings = [f"data.folder={folder / 'data'}", *BASE, *changes]
    return make_run(folder / "run", *settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and the run folder of a finished run."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "data").mkdir()
    rng = np.random.default_rng(0)
    with h5py.File(folder / "data" / "image.h5", "w") as file:
        file["em"] = rng.integers(1, 255, (48, 48, 112)).astype(np.uint8)
    with h5py.File(folder / "data" / "labels.h5", "w") as file:
        file["ids"] = rng.integers(1, 9, (48, 48, 112)).astype(np.uint32)
    run = start(folder)
    finish(run)
    write_kept(run)
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, at another path: moved with all that is in it."""
    return Path(shutil.copytree(finished, tmp_path / "elsewhere"))


def touched(*names: str) -> Place:
    def change(folder: Path) -> list[str]:
        for name in names:
            for path in folder.glob(name):
                os.utime(path, ns=(1, 1))
        return []

    return change


def voxel(name: str, dataset: str) -> Place:
    def change(folder: Path) -> list[str]:
        with h5py.File(folder / "data" / name, "r+") as file:
            file[dataset][3, 4, 5] += 1
        return []

    return change


def copied(folder: Path) -> list[str]:
    shutil.copy(folder / "data" / "image.h5", folder / "data" / "another name.h5")
    return ["data.image=another name.h5:em"]


def linked(folder: Path) -> list[str]:
    (folder / "link").symlink_to(folder / "data")
    return [f"data.folder={folder / 'link'}"]


def moved(folder: Path) -> list[str]:
    (folder / "data").rename(folder / "archive")
    return [f"data.folder={folder / 'archive'}"]


def another_dataset(folder: Path) -> list[str]:
    with h5py.File(folder / "data" / "image.h5", "r+") as file:
        file.copy("em", "raw")
    return ["data.image=image.h5:raw"]


def torn(folder: Path) -> list[str]:
    tile = min((folder / "run" / "tiles").glob("z*/y*/*.h5"))
    tile.write_bytes(tile.read_bytes()[:-1])
    return []


def without_pin(folder: Path) -> list[str]:
    """Tiles of this test's `finish` have no such file: their records say by what they were made."""
    assert not (folder / "run" / "tiles" / "engine.json").exists()
    return ["inference.engine=winograd", "inference.precision=float32"]


CHANGES: dict[str, tuple[Place, str]] = {
    "all moved": (lambda folder: [], "report"),
    "image and labels touched": (touched("data/*.h5"), "report"),
    "image copied": (copied, "report"),
    "data behind a link": (linked, "report"),
    "data moved": (moved, "report"),
    "the same voxels in another dataset": (another_dataset, "report"),
    "every result touched": (touched("run/**/*"), "report"),
    "another machine": (lambda folder: ["site.name=polaris", "site.account=mine"], "report"),
    "the engine written out that was pinned": (without_pin, "report"),
    "a voxel of the image changed": (voxel("image.h5", "em"), FROM_TRAINING),
    "a label changed": (voxel("labels.h5", "ids"), "sample " + FROM_TRAINING),
    "a tile torn": (torn, FROM_TILES),
}
"""Each in a copy of the folder, elsewhere: the report names where all lies."""


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_equal_counts_as_equal_and_what_is_not_does_not(place: Path, change: str) -> None:
    make, again = CHANGES[change]
    run = start(place, *make(place))
    assert " ".join(unfinished(explain(run))) == again
    # damage is made good without asking; of other inputs it is asked
    lost = [] if change == "a tile torn" else again.split()[:-1]
    assert [each.stage for each in discarded(run)] == lost


def test_a_result_that_cannot_be_read_is_told_and_not_made_again(place: Path) -> None:
    tile = min((place / "run" / "tiles").glob("z*/y*/*.h5"))
    make_loop(tile)
    [refusal] = refusals(outcomes(start(place)))
    assert isinstance(refusal, Unreadable)
    assert str(tile) in str(refusal)
    assert "it was left as it is" in str(refusal)
