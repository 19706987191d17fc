"""Of what a job prints before it ends, the line that tells the cause is quoted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import parsl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsl.dataflow.memoization import BasicMemoizer

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from site_configs import executor, parsl_config
from site_configs.last_words import cause

TRACEBACK = """Traceback (most recent call last):
  File "/checkout/pipeline/machine/own.py", line 34, in <module>
    main()
  File "/checkout/site_configs/worker_pool.py", line 12, in main
    raise ValueError("cannot open: " + failed)
{error}
"""

NOISE = "Loading the environment\nThe default modules are reloaded\n"
AFTER = (
    "srun: error: n1: task 0: Exited with exit code 1\nslurmstepd: error: *** STEP 1.0 ON n1 TERMINATED ***\n"
)

OF_WORKER_INITS = [
    "/var/spool/slurmd/job00012/slurm_script: line 14: module: command not found",
    "bash: line 1: /nowhere/bin/activate: No such file or directory",
    'Lmod has detected the following error:  The following module(s) are unknown: "tensorflow/9"',
    "ERROR: Unable to locate a modulefile for 'tensorflow/9'",
    "CondaError: Run 'conda init' before 'conda activate'",
    "EnvironmentNameNotFound: Could not find conda environment: ffn",
    "/home/me/env/bin/python: No module named parsl",
    "slurmstepd: error: execve(): /home/me/env/bin/python: Permission denied",
    "/home/me/env/bin/python: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared "
    "object file: No such file or directory",
    "bash: line 3: NOWHERE: unbound variable",
    "mkdir: cannot create directory '/scratch/me': Disk quota exceeded",
    "aprun: [NID 12] Exec /home/me/python failed: chdir /home/me No such file or directory",
]
"""What shells, module systems and launchers say; the words are theirs."""


@pytest.mark.parametrize("told", OF_WORKER_INITS)
@pytest.mark.parametrize("label", ["", "0: "])
def test_the_first_complaint_is_quoted_whatever_follows_on_it(told: str, label: str) -> None:
    printed = "".join(f"{label}{line}\n" for line in (NOISE + told).splitlines()) + AFTER
    assert cause(printed, "Found cores : 4\n") == told
    assert cause(AFTER, printed) == told


@pytest.mark.parametrize(
    "error",
    [
        "ModuleNotFoundError: No module named 'parsl'",
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
        "KeyError: 'x'",
        "parsl.errors.ConfigurationError: two executors",
        "KeyboardInterrupt",
    ],
)
def test_of_a_traceback_the_exception_is_quoted(error: str) -> None:
    printed = NOISE + TRACEBACK.format(error=error)
    assert cause(printed) == error
    assert cause(printed + AFTER) == error
    first = "module: command not found"
    assert cause(f"{first}\n{printed}{AFTER}") == f"{first} | {error}"
    chain = TRACEBACK.format(error="OSError: first") + "\nDuring handling of it:\n\n"
    assert cause(chain + TRACEBACK.format(error=error)) == error


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("module load tensorflow", "module: command not found"),
        ("source /nowhere/bin/activate", "/nowhere/bin/activate: No such file or directory"),
        ("set -u; echo $NOWHERE; echo more", "NOWHERE: unbound variable"),
        ("exec /nowhere/python", "/nowhere/python: No such file or directory"),
        ("exec /etc", "/etc: Is a directory"),
        ("if true; then", "syntax error"),
        ("python3 -m no_such_module", "No module named no_such_module"),
        ("python3 -c 'import no_such_module'", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_what_bash_and_python_really_say_is_quoted(script: str, said: str) -> None:
    done = subprocess.run(["bash", "-c", f"echo begin; {script}"], capture_output=True, text=True)
    assert said in cause(done.stderr, done.stdout)


def test_where_nobody_complains_the_end_is_quoted() -> None:
    assert cause("", "a\nb\nc\nd\n\n") == "b | c | d"
    assert cause(AFTER, "") == " | ".join(AFTER.splitlines())
    assert cause("", "") == ""


@given(st.text(), st.text())
def test_whatever_was_printed_becomes_one_line(stderr: str, stdout: str) -> None:
    quoted = cause(stderr, stdout)
    assert len(quoted.splitlines()) <= 1
    assert bool(quoted) == bool((stderr + stdout).strip())


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import no_such_module", "ended with status 1 .*: ModuleNotFoundError: No module named 'no_such"),
        (
            "import sys; sys.exit('no port is free')",
            "ended with status 1 .*: no port is free",
        ),
        ("import os; os._exit(9)", "ended with status 9 .*: without a word"),
    ],
)
def test_an_interchange_that_ends_at_its_start_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    script = tmp_path / "dying.py"
    script.write_text(program)
    real = executor.interchange_command
    monkeypatch.setattr(executor, "interchange_command", lambda output: [*real(output)[:-1], str(script)])
    run = Run(tmp_path, RunConfig())
    (tmp_path / "logs").mkdir()
    with pytest.raises(InputError, match=f"interchange for executor 'train' {said}") as failure:
        parsl.load(parsl_config(run, BasicMemoizer(), lambda error, task: 1.0))
    assert "\n" not in str(failure.value)


def test_an_interchange_that_is_not_installed_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"interchange\.py is neither beside"):
        executor.interchange_command(tmp_path / "output")
