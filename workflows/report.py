"""Write the report of a run as it stands: report.html and report.json in its folder.

python workflows/report.py runs/demo
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from typing import Annotated

import typer
from rich.console import Console

from workflows.command_line import start


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The folder of the run.")],
) -> None:
    """Write report.html, for people, and report.json, its twin for programs, of a run as it stands.

    A run that is done has one already. This is for those that failed or are at work, and for verdicts
    filled in since. Nothing is computed but the pictures.
    """
    from pipeline.report import write_report_now  # CloudVolume and Parsl take seconds to import
    from workflows.watching.status_view import read_run

    run, unreadable = read_run(folder)
    write_report_now(run)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if unreadable is not None:
        console.print(f"an input cannot be read from here: {unreadable}")
    console.print(run.report_page)


def main() -> None:
    """Entry point of the script."""
    start(report)


if __name__ == "__main__":
    main()
