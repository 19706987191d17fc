"""Without a home, a name, or room for sockets, and among namesakes, processes of this program still work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.machine import sockets
from pipeline.machine.own import module_command
from pipeline.machine.sockets import require_host_name, socket_folder
from pipeline.machine.user import user_name

LISTEN = """
import sys; sys.path.insert(0, {repository!r})
from pipeline.machine.sockets import keep_sockets_short
{keep}
from multiprocessing import Manager
if __name__ == "__main__":
    print(Manager().list([1, 2]))
"""
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of temporary files in which no socket has room."""
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_a_socket_has_room_whatever_the_folder_of_temporary_files(deep: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        with pytest.raises(OSError, match="AF_UNIX path too long"):
            door.bind(str(deep / "s"))
        address = socket_folder() / ("s" * 40 + str(os.getpid()))
        door.bind(str(address))
        address.unlink()
    assert tempfile.gettempdir() == str(deep), "everything else stays where the user wants it"


def test_where_there_is_no_room_for_sockets_at_all_it_is_said_what_to_set(
    deep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SHORT", (Path("/nowhere"),))
    with pytest.raises(InputError, match="set TMPDIR to a folder with a short path"):
        socket_folder()


@pytest.mark.parametrize(("keep", "works"), [("keep_sockets_short()", True), ("", False)])
def test_multiprocessing_has_room_for_its_sockets(deep: Path, keep: str, works: bool) -> None:
    program = deep / "listen.py"
    program.write_text(LISTEN.format(repository=str(REPOSITORY), keep=keep))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert (done.returncode == 0) == works, done.stderr
    assert "AF_UNIX path too long" in done.stderr or done.stdout == "[1, 2]\n"


READ_SHARDS = """
import sys
sys.path[:0] = [{repository!r}, {repository!r} + "/tests/pipeline/reconciliation"]
from pathlib import Path
import pipeline  # as in every process of a run: before CloudVolume
import numpy as np
from test_shards import read_back, reconcile, run_of, segment, BOX
run = run_of(Path({folder!r}))
reconcile(run, segment(run, np.ones(BOX.shape, np.uint32)))
assert read_back(run).all()
"""


def test_who_has_no_name_goes_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert user_name() == str(os.getuid())


@pytest.mark.parametrize("home", ["/proc/nowhere", "/proc", "", "nowhere"])
def test_a_process_without_a_home_can_import_what_it_needs_and_leaves_nothing(
    tmp_path: Path, home: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "HOME": home, "TMPDIR": str(temporary)}
    environment.pop("CLOUD_VOLUME_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", "import pipeline, cloudvolume"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["temporary"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("as_package", "safe", "programs"),
    [(False, "", ("full_pipeline", "weak_scaling")), (True, "1", ("status", "pilot", "doctor"))],
)
def test_a_module_of_this_program_is_run_whatever_lies_around(
    tmp_path: Path, as_package: bool, safe: str, programs: tuple[str, ...]
) -> None:
    for name in ("pipeline", "apps", "workflows", "site_configs"):
        file = tmp_path / name / "__init__.py" if as_package else tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise SystemExit('a namesake')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": safe}
    command = module_command("pipeline.machine.processes", str(os.getpid()), "echo", "ours")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ours\n"), done.stderr
    for program in programs:
        script = [sys.executable, str(REPOSITORY / "workflows" / f"{program}.py"), "--help"]
        done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_reading_shards_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    """CloudVolume would keep a lock file there for each."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary)}
    for variable in ("CLOUD_VOLUME_DIR", "CLOUD_FILES_DIR", "CLOUD_FILES_LOCK_DIR"):
        environment.pop(variable, None)
    program = tmp_path / "read.py"
    program.write_text(READ_SHARDS.format(repository=str(REPOSITORY), folder=str(tmp_path / "volume")))
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in home.iterdir()} <= {".cloudvolume"}


def test_a_host_name_that_stands_for_no_address_is_told_with_the_line_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_host_name()
    monkeypatch.setattr(socket, "gethostname", lambda: "no-such-host.invalid")
    with pytest.raises(InputError, match=r"'no-such-host.invalid', stands for no address, .* to /etc/hosts"):
        require_host_name()
