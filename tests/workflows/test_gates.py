"""Gates: a real run stops where a person is to judge, and goes on with their word as long as it holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from pipeline.results.attempts import processes_of, read_attempts
from tests.commands import said as said_by
from tests.tiny_run import RUN_FILE
from workflows.ffn import main
from workflows.watching.status_view import status_view

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
FFN = [sys.executable, str(REPOSITORY / "workflows" / "ffn.py")]


class Ffn(Protocol):
    """`ffn` with arguments, in the process of a test, which must end with `code`; gives what it prints."""

    def __call__(self, *arguments: str, code: int = 0) -> str: ...


def run(folder: Path, *options: str, code: int = 0) -> str:
    command = [*FFN, "run", "--run-dir", "run", "--quiet", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def status(folder: Path) -> str:
    return "\n".join(part for part in status_view(folder / "run") if isinstance(part, str))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a run that has stopped at the gate of its merge, and what it printed."""
    folder = tmp_path_factory.mktemp("gates")
    (folder / "small.yaml").write_text(RUN_FILE + "gates: [merge]\n")
    return folder, run(folder, "--config", "small.yaml", code=3)


@pytest.fixture
def folder(stopped: tuple[Path, str], tmp_path: Path) -> Path:
    shutil.copytree(stopped[0] / "run", tmp_path / "run")
    return tmp_path


@pytest.fixture
def ffn(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ffn:
    """A command in that folder."""
    monkeypatch.chdir(folder)

    def call(*arguments: str, code: int = 0) -> str:
        ended, shown = said_by(main, list(arguments), monkeypatch, capsys)
        assert ended == code, shown
        return shown

    return call


def test_the_run_stops_before_what_depends_on_the_stage_and_says_how_to_go_on(
    stopped: tuple[Path, str],
) -> None:
    home, said = stopped
    made = home / "run"
    assert (made / "tiles/reconciliation/id_table.h5").exists()
    assert not (made / "conflicts.json").exists()
    assert not (made / "segmentation").exists()
    assert f"ffn approve {made} merge" in said
    assert f"ffn reject {made} merge" in said
    judged = json.loads((made / "gates/merge.json").read_text())
    assert list(judged["files"]) == ["tiles/reconciliation/id_table.h5"]
    assert all(os.path.exists(path) for path in judged["look_at"][:-1])
    state = json.loads((made / "report.json").read_text())["state"]
    assert state["kind"] == "wait"
    assert state["says"].startswith(
        "Waits for a person: gate merge is closed: waits for a person's word; to go: "
    )
    [attempt] = read_attempts(made)
    assert (attempt["exit"], attempt["why"]) == (3, "gate merge is closed: waits for a person's word")
    assert not processes_of(made)
    assert "gate        merge: closed, waits for a person's word" in status(home)


def test_with_a_persons_word_it_goes_on_and_without_one_it_does_not(folder: Path, ffn: Ffn) -> None:
    ffn("reject", "run", "merge", "--by", "ann", "--why", "a merger")
    assert "gate          merge: rejected by ann at " in run(folder, code=3)
    assert "approved: merge, 1 file" in ffn("approve", "run", "merge", "--by", "bo", "--why", "fine")
    shown = ffn("run", "--run-dir", "run", "--dry-run")
    assert "gate        merge: open, approved by bo at " in shown
    run(folder)
    said = [json.loads(line) for line in (folder / "run/gates/decisions.jsonl").read_text().splitlines()]
    assert [(word["by"], word["decision"], word["why"]) for word in said] == [
        ("ann", "rejected", "a merger"),
        ("bo", "approved", "fine"),
    ]
    report = json.loads((folder / "run/report.json").read_text())
    assert [word["by"] for word in report["gates"]] == ["ann", "bo"]
    assert report["scores"] is not None
    # at a gate before what other settings make, the scores that lie there are not this run's
    changed = ("--set", "gates=[compare]", "--set", "reconciliation.min_overlap_voxels=11")
    shown = run(folder, *changed, code=3)
    assert (folder / "run/metrics.json").exists()
    assert "metrics.json" not in shown
    report = json.loads((folder / "run/report.json").read_text())
    assert report["scores"] is report["outcome"] is report["objects"] is None
    assert any("not shown: join, merge, conflicts, write" in line for line in report["untold"])
    assert "segments      not shown: they, or what they are made of, are to be made anew" in status(folder)


@pytest.mark.thorough  # test_places has it, without processes
def test_another_result_of_the_stage_is_another_to_judge(folder: Path, ffn: Ffn) -> None:
    gated = ("--set", "gates=[sample]")
    run(folder, *gated, code=3)
    ffn("approve", "run", "sample", "--by", "bo")
    said = run(folder, *gated, "--set", "training.sampling.coordinates=40", code=3)
    assert "gate          sample: closed again, approved by bo at " in said
    assert "since then 1 of its files are others (model/coordinates.npy)" in said


@pytest.mark.thorough  # test_places has it, without processes
def test_the_word_holds_while_the_result_is_the_same_though_it_is_made_again(folder: Path, ffn: Ffn) -> None:
    ffn("approve", "run", "merge")
    (folder / "run/tiles/reconciliation/id_table.h5").unlink()
    run(folder)
    assert (folder / "run/metrics.json").exists()


@pytest.mark.thorough  # two runs; test_places has it, without processes
def test_yes_opens_all_gates_and_that_is_kept(folder: Path) -> None:
    run(folder, "--yes")
    [word] = (json.loads(line) for line in (folder / "run/gates/decisions.jsonl").read_text().splitlines())
    assert (word["decision"], word["why"]) == ("passed by --yes", "it was waits for a person's word")
    run(folder)


def test_what_is_no_stage_is_refused_with_those_that_are(ffn: Ffn) -> None:
    said = ffn("run", "--run-dir", "run", "--set", "gates=[mrege]", code=1)
    assert "gates has 'mrege', which is no stage of this run; expected some of phantom, sample, train" in said
    said = ffn("approve", "run", "write", code=1)
    assert "has nothing of stage 'write' to judge; expected one of merge" in said
    assert said.count("\n") == 1
