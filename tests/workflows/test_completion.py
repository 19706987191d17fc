"""What the shells complete, by the shells themselves where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflows import completion
from workflows.ffn import COMMANDS

REPOSITORY = Path(__file__).parents[2]


def test_values_are_completed_from_where_they_are_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completion.assignment("training.ra") == ["training.ranks=", "training.rate_scaling="]
    assert "training.sampling" in completion.setting("training.s")
    assert "training.sampling=" not in completion.assignment("training.s")
    assert "perlmutter" in completion.site("")
    assert completion.site("th") == ["theta"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").touch()
    (tmp_path / "folder").mkdir()
    assert completion.run_file("") == ["fib25.yaml", "fib25_train.yaml", "demo.yaml", "folder/"]
    assert completion.run_file("fib25_") == ["fib25_train.yaml"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which `ffn` is a command, as it is when the package is installed."""
    folder = tmp_path_factory.mktemp("bin")
    program = "import sys; sys.argv[0] = 'ffn'; from workflows.ffn import main; main()"
    (folder / "ffn").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{program}" "$@"\n')
    (folder / "ffn").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}


def ask(shell: str, script: str, environment: dict[str, str], **more: str) -> list[str]:
    """The lines that a shell prints when it runs a script."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", script], env={**environment, **more}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ffn", ""], {*COMMANDS, "config", "data"}),
        (["ffn", "run", "--bud"], {"--budget-node-hours"}),
        (["ffn", "run", "--set", "training.ra"], {"training.ranks=", "training.rate_scaling="}),
        (["ffn", "config", "explain", "inference.ti"], {"inference.tile"}),
    ],
)
def test_bash_completes(words: list[str], expected: set[str], environment: dict[str, str]) -> None:
    script = (
        'eval "$(_FFN_COMPLETE=source_bash ffn)"; complete -p ffn >/dev/null; '
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        "_ffn_completion ffn; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert expected <= set(ask("bash", script, environment))


@pytest.mark.slow
def test_fish_completes(environment: dict[str, str]) -> None:
    script = "_FFN_COMPLETE=source_fish ffn | source; complete -C 'ffn ev'"
    assert [line.split("\t")[0] for line in ask("fish", script, environment)] == ["evaluate"]


@pytest.mark.slow
def test_zsh_completes(environment: dict[str, str]) -> None:
    script = (
        'autoload -U compinit; compinit -D -u; eval "$(_FFN_COMPLETE=source_zsh ffn)"; '
        "print -r -- $_comps[ffn]; _FFN_COMPLETE=complete_zsh _TYPER_COMPLETE_ARGS='ffn run --site per' ffn"
    )
    function, *proposals = ask("zsh", script, environment, ZDOTDIR="/nonexistent")
    assert function == "_ffn_completion"
    assert "perlmutter" in " ".join(proposals)
