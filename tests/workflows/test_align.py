"""`ffn align`, as a user runs it: from tiles to a volume, again, and with what is wrong."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from taken import SMALL

from tests.commands import said
from workflows.align import main
from workflows.exporting.volumes import earlier_told as of_earlier
from workflows.full_pipeline import main as main_of_runs
from workflows.status import status
from workflows.view import layers_of

PROGRAM = Path(__file__).parents[2] / "workflows" / "align.py"

SETTINGS = """
tiles: {table: tiles.csv, voxel_size_nm: [40, 10, 10]}
volume: {chunk: [2, 64, 64], block: [4, 192, 192]}
"""


def align(folder: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, str(PROGRAM), "--run-dir", "run", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def counts(shown: str) -> dict[str, tuple[int, int]]:
    """By stage, how many of its tasks are finished, and how many there are."""
    rows = re.findall(r"^(\w+) +(\d+)/(\d+)", shown, re.MULTILINE)
    return {stage: (int(finished), int(tasks)) for stage, finished, tasks in rows}


def _reused(words: list[str]) -> int:
    return int(words[words.index("reused") - 1].replace(",", "")) if "reused" in words else 0


@pytest.mark.slow
def test_tiles_become_a_volume_and_only_what_changed_is_made_again(tmp_path: Path) -> None:
    SMALL.take(tmp_path, seed=2)
    (tmp_path / "align.yaml").write_text(SETTINGS)
    code, shown = align(tmp_path, "--config", "align.yaml", "--dry-run")
    assert code == 0, shown
    assert not (tmp_path / "run").exists()
    planned = counts(shown)
    assert (planned["montage"], planned["match"]) == ((0, 5), (0, 7))

    code, shown = align(tmp_path, "--config", "align.yaml")
    assert code == 0, shown
    assert "warning: 1 image is missing in sections that have others: z0001/r0_c1.png" in shown
    assert "warning: 1 section is lost and will be 0: 3" in shown
    assert "sections      5; images missing in them 1, lost sections 1" in shown
    assert "residuals 0." in shown
    assert f"look at it    ffn report {tmp_path / 'run'}" in shown
    info = json.loads((tmp_path / "run" / "aligned" / "info").read_text())
    assert info["scales"][0]["resolution"] == [10, 10, 40]

    with redirect_stdout(io.StringIO()) as printed:
        status(tmp_path / "run")
    shown = printed.getvalue()
    assert "warning: 1 section is lost and will be 0: 3" in shown
    assert "state       attempt 1, ended with exit code 0" in shown
    assert counts(shown) == {stage: (tasks, tasks) for stage, (_, tasks) in planned.items()}
    assert "alignment     7 pairs of sections, 0 refused" in shown
    shown_in_browser = layers_of(tmp_path / "run")
    assert [layer.name for layer in shown_in_browser.layers] == ["image"]
    assert shown_in_browser.lacking == []
    kept = tmp_path / "run" / "align.yaml"
    as_made = kept.read_text()
    kept.write_text(re.sub(r"stiffness: \S+", "stiffness: 0.3", as_made))  # as of a start that was stopped
    assert kept.read_text() != as_made
    (told,) = layers_of(tmp_path / "run").lacking
    assert re.fullmatch(r"of the volume \d+ of \d+ parts have yet to be made, .*earlier state.*", told)
    assert list(of_earlier(tmp_path / "run", {"write"})) == [told]
    kept.write_text(as_made)

    code, shown = align(tmp_path)
    assert code == 0, shown
    assert all("reused" in line for line in shown.splitlines() if " done " in line)

    code, shown = align(tmp_path, "--set", "alignment.stiffness=0.2")
    assert code == 0, shown
    lines = [line.split() for line in shown.splitlines() if " done " in line]
    made = {words[0]: int(words[2].split("/")[0]) - _reused(words) for words in lines}
    assert {stage for stage, count in made.items() if count} == {"place", "relax", "render", "quality"}


@pytest.mark.parametrize("site", ["slurm", "pbs"])
@pytest.mark.parametrize(("tile_nodes", "executor"), [(1, "tiles"), (2, "light")])
def test_a_dry_run_shows_the_jobs_of_a_batch_system_and_asks_for_nothing_of_a_training(
    site: str,
    tile_nodes: int,
    executor: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    SMALL.take(tmp_path, seed=2)
    (tmp_path / "align.yaml").write_text(SETTINGS)
    given = ("walltime_s=3600", "interface=lo", f"tile_nodes={tile_nodes}")
    arguments = ["--config", str(tmp_path / "align.yaml"), "--run-dir", str(tmp_path / "run"), "--dry-run"]
    arguments += ["--site", site, *(word for one in given for word in ("--set", f"site.{one}"))]
    code, shown = said(main, arguments, monkeypatch, capsys)
    assert code == 0, shown
    assert re.findall(r"^A job of executor (\w+)$", shown, re.MULTILINE) == [executor]
    assert f"parsl.{executor}.block-0" in shown
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SETTINGS + "alignmnet: {}", "unknown key 'alignmnet'; did you mean 'alignment'?"),
        (SETTINGS + "montage: {max_shfit: 3}", "unknown key 'montage.max_shfit'; did you mean 'max_shift'?"),
        (SETTINGS.replace("[4,", "[3,"), "block [3, 192, 192] must be multiples of chunk [2, 64, 64]"),
        (SETTINGS.replace("tiles.csv", "absent.csv"), "absent.csv: No such file or directory"),
        ("volume: {}", "tiles: Field required"),
    ],
)
def test_wrong_settings_are_one_line_and_nothing_is_written(
    settings: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "align.yaml").write_text(settings)
    arguments = ["--config", str(tmp_path / "align.yaml"), "--run-dir", str(tmp_path / "run")]
    code, shown = said(main, arguments, monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert expected in shown
    assert not (tmp_path / "run").exists()


def test_without_settings_those_of_the_folder_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["--run-dir", str(tmp_path)], monkeypatch, capsys)
    assert code == 1
    assert "holds no align.yaml of an earlier start: name the settings by --config" in shown


def test_the_folder_of_an_alignment_is_no_place_for_a_run_of_its_own_accord(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "align.yaml").write_text(SETTINGS)
    code, shown = said(main_of_runs, ["--run-dir", str(tmp_path), "--dry-run"], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert "is the folder of `ffn align`, and of no run: `ffn align --run-dir` goes on with it" in shown
    with redirect_stdout(io.StringIO()) as printed:
        status(tmp_path)
    assert "nobody has worked here yet" in printed.getvalue()
    assert "tiles.csv: No such file or directory" in printed.getvalue()
