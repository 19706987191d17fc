"""A first start takes no folder in which somebody keeps files of their own by the names that it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.checkup.foreign import refuse_foreign
from pipeline.errors import InputError, Unreadable
from tests.denied import denied


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ("segmentation/info", "segmentation"),
        ("model/ffn.h5", "model"),
        ("config.yaml", "config.yaml"),
        ("align.yaml", "align.yaml"),
        ("metrics.json", "metrics.json"),
        ("aligned/info", "aligned"),
    ],
)
def test_what_others_have_there_is_named_and_kept(tmp_path: Path, theirs: str, named: str) -> None:
    file = tmp_path / theirs
    file.parent.mkdir(exist_ok=True)
    file.write_text("theirs")
    with pytest.raises(InputError, match=f"holds {named}, which no start of a run has put there"):
        refuse_foreign(tmp_path)


def test_a_folder_with_other_things_is_taken(tmp_path: Path) -> None:
    refuse_foreign(tmp_path / "new")
    for name in ("logs/slurm-7.out", "model/published.h5", "em.h5", "run.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "segmentation").mkdir()
    refuse_foreign(tmp_path)


@pytest.mark.parametrize("left", ["owner.json", "logs/inputs.json"])
def test_a_runs_own_folder_is_taken_whatever_it_holds(tmp_path: Path, left: str) -> None:
    for name in (left, "segmentation/info", "config.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    refuse_foreign(tmp_path)


def test_what_cannot_be_looked_into_is_named(public_folder: Path) -> None:
    (public_folder / "model").mkdir()
    with denied(public_folder / "model"), pytest.raises(Unreadable, match=r"model/ffn\.h5"):
        refuse_foreign(public_folder)
