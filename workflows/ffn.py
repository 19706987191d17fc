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
from typing import Any

import typer

from workflows import config, data
from workflows.align import align
from workflows.calibrate import calibrate
from workflows.command_line import ending_plainly, prepare
from workflows.decide import approve, reject
from workflows.doctor import doctor
from workflows.evaluate import evaluate
from workflows.export import export
from workflows.full_pipeline import full_pipeline
from workflows.pilot import pilot
from workflows.report import report
from workflows.sites import sites
from workflows.status import status
from workflows.study import study
from workflows.view import view
from workflows.weak_scaling import weak_scaling

HELP = """Train flood-filling networks, segment volumes of electron microscopy, and score the result.

Exit codes: 0 done, 1 an error, told in a line, 2 an option that is none, 3 a run that waits at a gate, 130
stopped by Ctrl-C or a signal; what is finished is kept, and the same command goes on from there.
docs/commands.md has more."""


def plan(*arguments: Any, **options: Any) -> None:
    """Print what a run would do, how long it would take and what it would cost; nothing is started."""
    full_pipeline(*arguments, **{**options, "dry_run": True})


_signature = inspect.signature(full_pipeline, eval_str=True)
plan.__signature__ = _signature.replace(  # type: ignore[attr-defined]
    parameters=[
        p for p in _signature.parameters.values() if p.name not in ("dry_run", "discard", "yes", "quiet")
    ]
)

COMMANDS: dict[str, Callable[..., None]] = {
    "align": align,
    "run": full_pipeline,
    "plan": plan,
    "sites": sites,
    "doctor": doctor,
    "pilot": pilot,
    "status": status,
    "report": report,
    "approve": approve,
    "reject": reject,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "view": view,
    "export": export,
    "weak-scaling": weak_scaling,
    "study": study,
}
"""In the order in which they are used."""


def tool() -> typer.Typer:
    """The command with all its commands."""
    app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
    for name, command in COMMANDS.items():
        app.command(name)(ending_plainly(command))
    app.add_typer(config.tool(), name="config")
    app.add_typer(data.tool(), name="data")
    return app


def main() -> None:
    """Entry point of the `ffn` command."""
    prepare()
    tool()()


if __name__ == "__main__":
    main()
