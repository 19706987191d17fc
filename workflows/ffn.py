"""One tool for everything: `ffn run`, `ffn status RUN_DIR`, `ffn evaluate SEGMENTATION TRUTH` and so on.

Every command is that of the script of its name in workflows/, with the same options; `ffn plan` is
`full_pipeline.py --dry-run`.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

from workflows.command_line import ending_plainly, prepare

HELP = """Train flood-filling networks, segment volumes of electron microscopy, and score the result.

Exit codes: 0 done, 1 an error, told in a line, 2 an option that is none, 3 a run that waits at a gate, 130
stopped by Ctrl-C or a signal; what is finished is kept, and the same command goes on from there.
docs/commands.md has more."""


COMMANDS = {
    "align": "align.align",
    "run": "full_pipeline.full_pipeline",
    "plan": "full_pipeline.full_pipeline",
    "sites": "sites.sites",
    "doctor": "doctor.doctor",
    "pilot": "pilot.pilot",
    "status": "status.status",
    "report": "report.report",
    "approve": "decide.approve",
    "reject": "decide.reject",
    "evaluate": "evaluate.evaluate",
    "calibrate": "calibrate.calibrate",
    "view": "view.view",
    "export": "export.export",
    "weak-scaling": "weak_scaling.weak_scaling",
    "study": "study.study",
}
"""In the order in which they are used: the module in workflows/ and the function of each."""

TOOLS = ("config", "data")
"""Modules whose commands have commands of their own."""


def command(name: str) -> Callable[..., None]:
    """The function of a command. Only now its module is loaded."""
    module, function = COMMANDS[name].split(".")
    found: Callable[..., None] = getattr(import_module(f"workflows.{module}"), function)
    return _planning(found) if name == "plan" else found


def _planning(run: Callable[..., None]) -> Callable[..., None]:
    """`ffn run` as `ffn plan`."""

    def plan(*arguments: Any, **options: Any) -> None:
        """Print what a run would do, how long it would take and what it would cost; nothing is started."""
        run(*arguments, **{**options, "dry_run": True})

    whole = inspect.signature(run, eval_str=True)
    plan.__signature__ = whole.replace(  # type: ignore[attr-defined]
        parameters=[
            p for p in whole.parameters.values() if p.name not in ("dry_run", "discard", "yes", "quiet")
        ]
    )
    return plan


def tool(asked: str | None = None) -> typer.Typer:
    """The command with all its commands, or, where one of them is asked for, with that one alone.

    To load all of them takes a second, of which one needs a part.
    """
    app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
    app.callback()(lambda: None)  # the only command of an app would have no name
    names = (*COMMANDS, *TOOLS)
    for name in (asked,) if asked in names else names:
        if name in TOOLS:
            app.add_typer(import_module(f"workflows.{name}").tool(), name=name)
        else:
            app.command(name)(ending_plainly(command(name)))
    return app


def main() -> None:
    """Entry point of the `ffn` command."""
    prepare()
    tool(*sys.argv[1:2])()


if __name__ == "__main__":
    main()
