"""scripts/install.sh, as far as it goes without a network: which Python it takes, what was left half done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def install(folder: Path, python: Path | str, **variables: str) -> tuple[int, str]:
    """Exit code and output."""
    command = ["bash", str(REPOSITORY / "scripts" / "install.sh"), str(folder)]
    environment = {**os.environ, "PYTHON": str(python), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


def stand_in(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_python_that_is_named_is_taken_or_refused(tmp_path: Path) -> None:
    """Another one that happens to be here is not what was asked for."""
    code, said = install(tmp_path / "venv", tmp_path / "nowhere")
    assert code == 1
    assert f"install: Python 3.10, 3.11 or 3.12 is needed ({tmp_path}/nowhere is " in said
    assert not (tmp_path / "venv").exists()


def test_an_environment_of_another_python_than_is_asked_for_is_not_taken_for_done(tmp_path: Path) -> None:
    stand_in(tmp_path / "venv" / "bin" / "python", "echo 3.9")
    code, said = install(tmp_path / "venv", sys.executable)
    assert code == 1
    assert f"{tmp_path}/venv has Python 3.9, and {sys.executable} is {HERE}: remove it" in said


def test_a_python_that_is_named_and_not_there_is_refused_also_where_all_is_installed(tmp_path: Path) -> None:
    stand_in(tmp_path / "venv" / "bin" / "python", f"echo {HERE}")
    parts = "cat setup.cfg setup.py pipeline/*/*.c pipeline/*/*/*.[ch] scripts/install.sh | cksum"
    installed = subprocess.check_output(["bash", "-c", parts], cwd=REPOSITORY, text=True)
    (tmp_path / "venv" / ".installed").write_text(f"cpu {installed}")
    assert install(tmp_path / "venv", "python3", TENSORFLOW="cpu") == (0, "")
    code, said = install(tmp_path / "venv", tmp_path / "nowhere", TENSORFLOW="cpu")
    assert code == 1
    assert f"is needed ({tmp_path}/nowhere is " in said


def test_an_environment_that_was_left_without_pip_is_made_whole(tmp_path: Path) -> None:
    """As by Ctrl-C a few seconds after the beginning."""
    stand_in(
        tmp_path / "venv" / "bin" / "python", f'case "$*" in *version_info*) echo {HERE} ;; *) exit 1 ;; esac'
    )
    made = f'[ "$2" = venv ] && echo "makes $3" && exit 7; exec {sys.executable} "$@"'
    code, said = install(tmp_path / "venv", stand_in(tmp_path / "python", made))
    assert code == 7
    assert f"makes {tmp_path}/venv" in said


def test_what_a_user_has_pip_do_elsewhere_changes_nothing(tmp_path: Path) -> None:
    """pip would refuse, or put packages elsewhere, or take those on PYTHONPATH, which jobs need not have."""
    told = 'echo "user $PIP_USER, target $PIP_TARGET$PIP_PREFIX, path $PYTHONPATH; $*"'
    version = f"*version_info*) echo {HERE} ;;"
    stand_in(
        tmp_path / "venv" / "bin" / "python", f'case "$*" in {version} *install*) {told}; exit 9 ;; esac'
    )
    users = {"PIP_USER": "1", "PIP_TARGET": "/mine", "PIP_PREFIX": "/mine", "PYTHONPATH": "/mine"}
    code, said = install(tmp_path / "venv", sys.executable, **users)
    assert code == 9
    assert "user 0, target , path ; -m pip" in said
