"""scripts/install.sh, as far as it goes without a network: which Python it takes, what was left half done."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    (tmp_path / "venv" / ".installed").write_text(f"cpu {installed}{tmp_path}/venv\n")
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
    assert code == 1
    assert f"makes {tmp_path}/venv" in said
    assert re.search(rf"could not make an environment in {tmp_path}/venv \(\S+ of room in /", said)


def test_what_a_user_has_pip_do_elsewhere_changes_nothing(tmp_path: Path) -> None:
    """pip would refuse, or put packages elsewhere, or take those on PYTHONPATH, which jobs need not have."""
    told = 'echo "user $PIP_USER, target $PIP_TARGET$PIP_PREFIX, path $PYTHONPATH; $PIP_NO_DEPS$PIP_PRE$*"'
    version = f"*version_info*) echo {HERE} ;;"
    stand_in(
        tmp_path / "venv" / "bin" / "python", f'case "$*" in {version} *install*) {told}; exit 9 ;; esac'
    )
    users = {"PIP_USER": "1", "PIP_TARGET": "/mine", "PIP_PREFIX": "/mine", "PYTHONPATH": "/mine"}
    users |= {"PIP_NO_DEPS": "1", "PIP_PRE": "1"}
    code, said = install(tmp_path / "venv", sys.executable, **users)
    assert code == 1
    assert re.search(r"pip ended with the error above \(\S+ of room in /\S*\)\. .* PIP_INDEX_URL", said)
    assert "user 0, target , path ; -m pip" in said


def test_a_folder_is_one_of_the_place_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    python = stand_in(tmp_path / "python", f'[ "$2" = venv ] && exit 7; exec {sys.executable} "$@"')
    code, said = install(Path("my env"), python)
    assert code == 1
    assert f"could not make an environment in {tmp_path}/my env (" in said


def test_the_compiler_is_the_one_that_a_user_names(tmp_path: Path) -> None:
    """As an environment of conda does, which has none of the name g++."""
    code, said = install(tmp_path / "venv", sys.executable, CXX="/nowhere/x86_64-conda-c++ -std=c++17")
    assert code == 1
    assert "no C++ compiler (/nowhere/x86_64-conda-c++ -std=c++17), which" in said
    assert not (tmp_path / "venv").exists()


def test_a_tensorflow_that_does_not_start_is_told(tmp_path: Path) -> None:
    """On a processor without AVX, or by libraries that LD_LIBRARY_PATH brings."""
    version = f"*version_info*) echo {HERE} ;;"
    fails = '*"import tensorflow"*) echo "ImportError: libstdc++.so.6: too old" >&2; exit 1 ;;'
    stand_in(tmp_path / "venv" / "bin" / "python", f'case "$*" in {version} {fails} esac')
    code, said = install(tmp_path / "venv", sys.executable)
    assert code == 1
    assert "cannot be imported (exit code 1): ImportError: libstdc++.so.6: too old" in said
    assert not (tmp_path / "venv" / ".installed").exists()
    assert "install: no TensorFlow, so" in install(tmp_path / "venv", sys.executable, TENSORFLOW="none")[1]


def test_an_environment_whose_python_has_gone_is_not_taken_for_installed(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    code, said = install(tmp_path / "venv", "python3")
    assert code == 1
    assert f"the Python that it was made from ({tmp_path}/gone) may have gone: remove" in said


def test_an_environment_that_was_moved_is_made_whole(tmp_path: Path) -> None:
    """What activates it leads to where it was."""
    version, again = f"*version_info*) echo {HERE} ;;", '*"-m venv"*) echo "makes $3 anew"; exit 9 ;;'
    stand_in(tmp_path / "venv" / "bin" / "python", f'case "$*" in {version} {again} esac')
    (tmp_path / "venv" / ".installed").write_text("cpu 1 2\n/elsewhere/venv\n")
    code, said = install(tmp_path / "venv", sys.executable)
    assert (code, f"makes {tmp_path}/venv anew" in said) == (9, True)


@pytest.mark.parametrize("name", ["venv", "my venv"])
def test_the_commands_of_an_environment_that_was_moved_start(tmp_path: Path, name: str) -> None:
    """pip writes their beginning in two ways: the second for a path that has a blank, or is long."""
    folder = tmp_path / name
    told = f'case "$*" in *version_info*) echo {HERE} ;; */bin/tool*) echo "$0 $@" ;; esac'
    python = stand_in(folder / "bin" / "python", told)
    rest = "\n# -*- coding: utf-8 -*-\nprint('hello')\n"
    old = """#!/bin/sh\n'''exec' "/else where/bin/python" "$0" "$@"\n' '''"""
    for tool, begins in {"tool1": "#!/elsewhere/venv/bin/python3.11", "tool2": old}.items():
        stand_in(folder / "bin" / tool, "").write_text(begins + rest)
    other = stand_in(folder / "bin" / "other", "echo other").read_text()
    (folder / ".installed").write_text("cpu 1 2\n/elsewhere/venv\n")
    code, said = install(folder, sys.executable, TENSORFLOW="cpu")
    assert code == 0, said
    for tool in ("tool1", "tool2"):
        path = folder / "bin" / tool
        assert subprocess.check_output([path, "-v"], text=True) == f"{python} {path} -v\n"
        assert path.read_text().endswith(f"' '''{rest}"), "which is a string to Python"
    assert (folder / "bin" / "other").read_text() == other


def test_what_has_built_horovod_is_done(tmp_path: Path) -> None:
    """It took itself for moved, and installed all once more."""
    version, lacks = f"*version_info*) echo {HERE} ;;", '*"import horovod"*) exit 1 ;;'
    stand_in(tmp_path / "venv" / "bin" / "python", f'case "$*" in {version} {lacks} esac')
    code, said = install(tmp_path / "venv", sys.executable, TENSORFLOW="cpu")
    assert (code, "install: building horovod" in said) == (0, True)
    assert install(tmp_path / "venv", sys.executable, TENSORFLOW="cpu") == (0, "")


def test_of_two_at_once_one_waits(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    stand_in(
        venv / "bin" / "python", f'case "$*" in *version_info*) echo {HERE} ;; *install*) exit 9 ;; esac'
    )
    command = ["bash", str(REPOSITORY / "scripts" / "install.sh"), str(venv)]
    with open(venv / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        environment = {**os.environ, "PYTHON": sys.executable}
        waiting = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == f"install: another one is at work in {venv}, and is waited for\n"
    assert "install: packages into" in waiting.communicate(timeout=100)[0]
    assert waiting.returncode == 1


def test_a_checkout_that_git_gives_the_lines_of_windows_has_those_of_a_shell(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "core.autocrlf=true"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    shutil.copy(REPOSITORY / ".gitattributes", tmp_path)
    script = tmp_path / "install.sh"
    script.write_bytes(b"true\n")
    subprocess.run([*git, "add", "."], check=True)
    script.unlink()
    subprocess.run([*git, "checkout", "--quiet", "install.sh"], check=True)
    assert script.read_bytes() == b"true\n"


@pytest.mark.parametrize("has", [True, False])
def test_a_compiler_is_needed_only_where_horovod_is_built(tmp_path: Path, has: bool) -> None:
    """On top of a Python without TensorFlow nothing is trained."""
    for name in ("bash", "sed", "cat", "cksum", "dirname", "df", "awk", "mkdir", "realpath"):
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    asked = f'case "$*" in *find_spec*) exit {int(not has)} ;; *"-m venv"*) exit 7 ;; esac'
    python = stand_in(tmp_path / "python", f'{asked}; exec {sys.executable} "$@"')
    code, said = install(tmp_path / "venv", python, TENSORFLOW="none", PATH=str(tmp_path / "bin"))
    assert code == 1
    assert ("no C++ compiler (g++)" in said) == has
    assert ("could not make an environment" in said) != has


def test_horovod_is_built_by_paths_without_a_blank(tmp_path: Path) -> None:
    """Its build takes one for the end of a path."""
    venv = tmp_path / "my env"
    version, builds = (
        f"*version_info*) echo {HERE} ;;",
        '*" wheel "*) echo "by $0, $HOROVOD_CMAKE"; exit 9 ;;',
    )
    stand_in(venv / "bin" / "python", f'case "$*" in {version} *"import horovod"*) exit 1 ;; {builds} esac')
    code, said = install(venv, sys.executable)
    assert code == 1
    assert f"building Horovod failed; {venv}/horovod-build.log has it" in said
    assert re.fullmatch(
        r"by \S+/venv/bin/python, \S+/horovod-cmake\n", (venv / "horovod-build.log").read_text()
    )


def test_names_with_blanks_are_one_name_to_make(tmp_path: Path) -> None:
    """`make clean` would remove other folders."""
    for target in ("clean", "demo", "docs", "lint", "test"):
        told = ["make", "--dry-run", target, "VENV=my env", "RUN=my run"]
        lines = subprocess.run(told, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        assert not re.search(r'(?<!")my (env|run)', lines), lines
