"""A run does not care how folders are called, and takes nothing from around it for its own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.environments import new_environment
from tests.tiny_run import RUN_FILE

pytest.importorskip("horovod", reason="Horovod is not installed")
pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("apps", "pipeline", "site_configs", "workflows")
NASTY = 'a\' "b" [c] {d} & $HOME; é %j:-'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The program in a folder of its own."""
    folder = tmp_path / "programs" / NASTY
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, folder / package)
    return folder


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return new_environment(tmp_path / "environments" / NASTY.replace(":", ""))  # venv refuses a colon


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder in which every package of ours has a namesake, beside a file that a run must leave."""
    folder = tmp_path / "work" / NASTY
    folder.mkdir(parents=True)
    (folder / "a'").write_text("mine")
    (folder / "notes").write_text("mine")
    (folder / "run.yaml").write_text(RUN_FILE)
    for package in PACKAGES:
        (folder / f"{package}.py").write_text("raise SystemExit('this is not the program')\n")
    return folder


def environment(place: Path) -> dict[str, str]:
    """On PYTHONPATH are the namesakes; no HOME can be written, and no socket has room in TMPDIR."""
    temporary = place / ("t" * 100)
    temporary.mkdir()
    return {**os.environ, "PYTHONPATH": str(place), "HOME": "/proc/nowhere", "TMPDIR": str(temporary)}


@pytest.mark.thorough  # test_quoting has the commands of such folders
def test_a_run_in_folders_of_any_name_ends_well_and_writes_nothing_beside_its_own(
    checkout: Path, python: Path, place: Path
) -> None:
    before = {path.name for path in place.iterdir()}
    program = str(checkout / "workflows" / "full_pipeline.py")
    command = [str(python), program, "--config", "run.yaml", "--run-dir", f"notes {NASTY}"]
    # two workers share one network, by a socket
    shared = ["--set", "site.workers=2", "--set", "inference.batch=2"]
    done = subprocess.run(
        [*command, *shared], cwd=place, env=environment(place), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in place.iterdir()} - before == {f"notes {NASTY}", "t" * 100}
    assert [(place / name).read_text() for name in ("a'", "notes")] == ["mine", "mine"]
    line = next(line for line in done.stdout.splitlines() if line.startswith("look at it"))
    looked = subprocess.run(["bash", "-c", f"{line.removeprefix('look at it')} --help"], capture_output=True)
    assert looked.returncode == 0, looked.stderr
    assert shlex.split(line)[-1] == f"{place}/notes {NASTY}"
    assert f"run folder {place}/notes {NASTY}" in done.stdout
    assert f"everything    {place}/notes {NASTY}" in done.stdout
