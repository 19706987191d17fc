"""A person's word is on the files that were judged, each in its place."""

from __future__ import annotations

from pathlib import Path

from pipeline.results.artifacts import Artifact
from pipeline.results.gates import APPROVED, Judged, decide, gate_of


def judged(folder: Path, first: str, second: str) -> Judged:
    """Of a stage that has made two files of this content each."""
    made = [Artifact(str(folder / name), sha256) for name, sha256 in (("z1.npz", first), ("z2.npz", second))]
    return Judged.of(folder, "overview", made)


def test_files_that_have_changed_places_are_judged_anew(tmp_path: Path) -> None:
    (tmp_path / "gates").mkdir()
    decide(tmp_path, judged(tmp_path, "aa", "bb"), APPROVED)
    assert gate_of(tmp_path, judged(tmp_path, "aa", "bb")).is_open
    gate = gate_of(tmp_path, judged(tmp_path, "bb", "aa"))
    assert not gate.is_open
    assert "2 of its files are others (z1.npz, z2.npz)" in gate.says
