"""The exit codes are those of docs/commands.md; on the screen there is what that page says."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.commands import as_from_a_terminal
from tests.publishing import command, published, small_sample
from tests.tiny_run import RUN_FILE
from workflows.ffn import COMMANDS
from workflows.output import KeepingConsole

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "commands.md").read_text()
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|9[0-7])[;m]")
FFN = [sys.executable, str(REPOSITORY / "workflows" / "ffn.py")]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")},
    "PYTHONPATH": str(REPOSITORY),
    "NO_PROXY": "127.0.0.1",
    "TERM": "xterm-256color",
}


def ends(*arguments: str) -> Callable[[Path], int]:
    def run(folder: Path) -> int:
        return subprocess.run([*FFN, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True).returncode

    return run


def stopped_by(signum: int) -> Callable[[Path], int]:
    def run(folder: Path) -> int:
        with published(small_sample()) as server:
            server.pause_s = 0.05
            process = subprocess.Popen(
                [sys.executable, *command(server.url, folder)],
                env=ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                preexec_fn=as_from_a_terminal,
            )
            while not (folder / "checkpoint").exists():
                time.sleep(0.01)
            process.send_signal(signum)
            code = process.wait()
            return 128 - code if code < 0 else code

    return run


def stopped_at_a_gate(folder: Path) -> int:
    (folder / "small.yaml").write_text(RUN_FILE + "gates: [phantom]\n")
    return ends("run", "--config", "small.yaml")(folder)


MADE_BY: dict[int, list[Callable[[Path], int]]] = {
    0: [ends("config", "explain", "seed")],
    1: [ends("status", "nowhere"), ends("doctor", "--set", "training.box=9:1,0:1,0:1")],
    2: [ends("run", "--nonsense"), ends("evalute"), ends("pilot", "--tiles", "many")],
    3: [stopped_at_a_gate],
    130: [stopped_by(signal.SIGINT)],
    143: [stopped_by(signal.SIGTERM)],
}


def test_the_page_lists_the_codes_that_are_tested() -> None:
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert listed == list(MADE_BY)


def test_the_page_lists_every_command() -> None:
    listed = set(re.findall(r"^\| `ffn ([\w-]+)", PAGE, re.MULTILINE))
    assert listed >= {*COMMANDS, "config", "data"}


@pytest.mark.slow
@pytest.mark.parametrize(("code", "run"), [(code, run) for code, runs in MADE_BY.items() for run in runs])
def test_an_exit_code_is_that_of_the_page(code: int, run: Callable[[Path], int], tmp_path: Path) -> None:
    assert run(tmp_path) == code


def on_a_terminal(arguments: list[str], folder: Path, **variables: str) -> str:
    """What a command prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*FFN, *arguments], cwd=folder, env={**ENVIRONMENT, **variables}, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 1 << 16):
            shown += piece
    except OSError:  # how a terminal says that nobody writes any more
        pass
    process.wait()
    os.close(ours)
    return shown.decode()


@pytest.mark.slow
def test_there_is_no_escape_sequence_where_there_is_no_terminal(tmp_path: Path) -> None:
    for arguments in (["plan"], ["status", "nowhere"]):
        done = subprocess.run(
            [*FFN, *arguments], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
        )
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
def test_no_colour_is_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    assert not COLOUR.search(on_a_terminal(["plan"], tmp_path, NO_COLOR="1"))
    assert "\x1b" not in on_a_terminal(["plan"], tmp_path, TERM="dumb")


def test_the_colours_of_progress_are_those_of_a_terminal_that_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(**variables: str) -> str:
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", **variables}.items():
            monkeypatch.setenv(name, value)
        console = Console(force_terminal=True)
        with console.capture() as captured:
            console.print("failed", style="red")
        return captured.get()

    assert COLOUR.search(shown())
    assert not COLOUR.search(shown(NO_COLOR="1"))
    with KeepingConsole.at(tmp_path / "driver.log") as console:
        console.print("failed", style="red")
    assert (tmp_path / "driver.log").read_text().strip() == "failed"


def test_quiet_progress_goes_to_the_log_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console = KeepingConsole.at(tmp_path / "driver.log")
    assert not console.kept.is_terminal
    console.kept.print("segment  running")
    console.print("scores")
    console.kept.file.flush()
    assert capsys.readouterr().out == "scores\n"
    assert (tmp_path / "driver.log").read_text() == "segment  running\nscores\n"
