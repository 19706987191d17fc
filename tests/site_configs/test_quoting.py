"""What goes into shell lines and job scripts comes out of them as it went in, on every site."""

from __future__ import annotations

import re
import shlex
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsl.dataflow.memoization import BasicMemoizer
from parsl.launchers import SimpleLauncher
from parsl.providers.errors import SubmitException

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.machine import own
from pipeline.run_folder import Run
from site_configs.names import OF_SCHEDULERS, in_a_line
from site_configs.preview import launch_line, submit_scripts
from site_configs.providers.local import LocalProvider
from site_configs.providers.slurm import SlurmProvider
from tests.sites import COMPLETE, run_on

NASTY = st.text(
    st.sampled_from(string.punctuation.replace("/", "") + " ab0éß日😀\u00a0"), min_size=1, max_size=20
).filter(lambda name: name not in (".", ".."))
"""Names of folders: all punctuation, blanks of two kinds and letters of several scripts."""

HEAD = re.compile(r"^#.*$\n?", re.MULTILINE)


def at(folder: Path, name: str) -> Run:
    return Run(folder, run_on(name).config)


def words(script: str) -> list[str]:
    """All words of a job's script as a shell reads them, without its directives."""
    return shlex.split(HEAD.sub("", script).replace("$status", "status"))


def is_taken(name: str, folder: str) -> bool:
    commands = site_configs.commands(run_on(name))
    return not any(OF_SCHEDULERS[c][0] in folder for c in commands if c in OF_SCHEDULERS)


@pytest.mark.parametrize("name", COMPLETE)
@settings(max_examples=40)
@given(folder=NASTY, checkout=NASTY, environment=NASTY)
def test_the_scripts_of_jobs_give_back_the_paths_that_went_in(
    name: str, folder: str, checkout: str, environment: str
) -> None:
    run = at(Path("/scratch") / folder / "run", name)
    program, python = f"/home/{checkout}/own.py", f"/home/{environment}/bin/python"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "__file__", program)
        patch.setattr(sys, "executable", python)
        config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
        line = launch_line(site_configs.rank_launcher(run), run)
        scripts = submit_scripts(run, config)
    assert line is not None
    assert [python, program] == line[-5:-3]
    assert [str(run.folder), str(run.folder / "logs/training/launch.json")] == line[-2:]
    for label, script in scripts.items():
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        found, logs = words(script), f"{run.logs_folder}/parsl/NNN"
        start = found.index("site_configs.worker_pool")
        assert found[start - 2 : start] == [python, program]
        assert found[found.index("--cert_dir") + 1] == f"{logs}/{label}/certificates"
        assert f"--logdir={logs}/{label}" in found
        assert f"FFN_RUN={run.folder}" in found
        asked = shlex.split(script.splitlines()[-1].removeprefix("# "))
        assert str(Path(asked[-1]).parent) == f"{logs}/submit_scripts"
        for option in asked[1:-1]:
            path = option.partition("=")[2].replace("%%", "%") if option.startswith("--") else option
            assert option.startswith("-") or path.startswith(f"{logs}/submit_scripts/")


@pytest.mark.parametrize("name", COMPLETE)
@given(folder=NASTY)
def test_a_run_folder_is_refused_only_for_what_the_scheduler_takes_for_its_own(
    name: str, folder: str
) -> None:
    run = at(Path("/scratch") / folder, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")  # no sinfo that looks for its cluster for a quarter of a second
        if is_taken(name, folder):
            site_configs.check(run)
        else:
            with pytest.raises(InputError, match="choose another --run-dir"):
                site_configs.check(run)


@pytest.mark.parametrize("name", ["local", *COMPLETE])
@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x85", "\u2028", "\udcff", "\0"])
def test_what_ends_a_line_or_is_no_text_is_refused_in_one_line(name: str, character: str) -> None:
    config = RunConfig() if name == "local" else run_on(name).config
    with pytest.raises(InputError) as refused:
        site_configs.check(Run(Path(f"/scratch/a{character}b"), config))
    assert in_a_line(str(refused.value))
    assert "choose another --run-dir" in str(refused.value)


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("setting", ["account", "queue", "reservation", "filesystems"])
@pytest.mark.parametrize("value", ["a b", "-x", "a\n#SBATCH --array=1-9", "a;b", "$(a)", "a'b", "a#b"])
def test_a_name_that_would_be_more_than_one_word_is_refused(name: str, setting: str, value: str) -> None:
    with pytest.raises(InputError, match=rf"site\.{setting} is "):
        site_configs.check(run_on(name, 8, **{setting: value}))


@pytest.mark.parametrize("name", COMPLETE)
def test_an_option_that_would_be_two_lines_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"site\.scheduler_options: .* is not one line"):
        site_configs.check(run_on(name, scheduler_options=["-x\nrm -r x"]))
    with pytest.raises(InputError, match=r"site\.scheduler_options: '#SBATCH --x' is no option"):
        site_configs.check(run_on(name, scheduler_options=["#SBATCH --x"]))


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    provider = LocalProvider(launcher=SimpleLauncher())
    provider.script_dir = str(tmp_path / "a b" / "scripts")
    Path(provider.script_dir).mkdir(parents=True)
    return provider


def assert_a_job_says_and_ends(provider: LocalProvider | SlurmProvider) -> None:
    """A job's output and exit status are found where the provider says that they are."""
    job = provider.submit("echo said; exit 7", 1, "block")
    while not (status := provider.status([job])[0]).terminal:
        pass
    assert status.exit_code == 7
    assert status.stdout_path is not None
    assert Path(status.stdout_path).read_text() == "said\n"


@given(folder=NASTY)
def test_a_local_block_writes_nothing_beside_its_folder(
    folder: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    beside = tmp_path_factory.mktemp("home")
    scripts = beside / folder
    scripts.mkdir()
    provider = LocalProvider(launcher=SimpleLauncher())
    provider.script_dir = str(scripts)
    assert_a_job_says_and_ends(provider)
    assert list(beside.iterdir()) == [scripts]


def test_a_local_block_that_cannot_be_started_is_not_waited_for(provider: LocalProvider) -> None:
    assert provider.script_dir is not None
    with pytest.raises(SubmitException):
        provider.submit("true", 1, "a/b" * 200)


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("folder", ["a b", "50% [x] {y}", 'a\'b "c" & $HOME;#%j', "é-日", "-o"])
def test_a_job_of_slurm_leaves_its_files_in_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    provider = SlurmProvider(poll_s=1, walltime="00:01:00", exclusive=False, launcher=SimpleLauncher())
    provider.script_dir = str(tmp_path / folder)
    Path(provider.script_dir).mkdir()
    assert_a_job_says_and_ends(provider)
    assert [path.name for path in tmp_path.iterdir() if path.name != "slurm"] == [folder]
