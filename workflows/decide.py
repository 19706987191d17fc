"""A person's word on what a run has at a gate: `ffn approve RUN_DIR STAGE`, `ffn reject RUN_DIR STAGE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.results.gates import APPROVED, REJECTED, decide, decision_file, read_judged
from pipeline.wording import counted
from workflows.command_line import kept_run_file
from workflows.output import PlainConsole

FolderArgument = Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The folder of the run.")]
StageArgument = Annotated[
    str, typer.Argument(metavar="STAGE", help="The stage at whose gate the run stopped.")
]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Whose word it is (default: the user's).")
]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="What you saw; it is kept.")]


def approve(folder: FolderArgument, stage: StageArgument, by: ByOption = None, why: WhyOption = "") -> None:
    """Let a run go on behind a gate, with what the stage has made: give the run's command again then.

    If the stage's result becomes another, the gate is closed again.
    """
    _decide(folder, stage, APPROVED, by, why)
    _say("give the run's command again to go on")


def reject(folder: FolderArgument, stage: StageArgument, by: ByOption = None, why: WhyOption = "") -> None:
    """Keep a gate closed for what the stage has made: change what it is made of, or approve it after all."""
    _decide(folder, stage, REJECTED, by, why)
    _say("change a setting or an input that it is made of, and give the run's command again")


def _decide(folder: Path, stage: str, decision: str, by: str | None, why: str) -> None:
    kept_run_file(folder)
    judged = read_judged(folder, stage)
    decide(folder, judged, decision, by, why)
    files = len(judged.files)
    _say(f"{decision}: {stage}, {counted(files, 'file')} of identity {judged.identity[:12]}")
    _say(f"kept in {decision_file(folder, stage)}")


def _say(line: str) -> None:
    PlainConsole(highlight=False, soft_wrap=True).print(line)
