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

from pipeline.results.unreadable import is_there
from pipeline.run_files import ALIGN_CONFIG_NAME, RunFiles
from pipeline.settings.align_file import load_align_config
from workflows.command_line import start
from workflows.output import PlainConsole


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The folder of the run.")],
) -> None:
    """Write report.html, for people, and report.json, its twin for programs, of a run as it stands.

    A run that is done has one already. This is for those that failed or are at work, for verdicts filled in
    since, and for the folder of `ffn align`. Nothing is computed but the pictures.
    """
    # CloudVolume and Parsl take seconds to import
    from pipeline.report import write_alignment_report, write_report_now
    from workflows.planning.earlier import told_of_now
    from workflows.watching.status_view import read_run

    console = PlainConsole(highlight=False, soft_wrap=True)
    if is_there(folder / ALIGN_CONFIG_NAME):
        files = RunFiles(folder.resolve())
        write_alignment_report(files, load_align_config(folder / ALIGN_CONFIG_NAME))
        console.print(files.report_page)
        return
    run, unreadable = read_run(folder)
    known, untold = told_of_now(run, unreadable)
    write_report_now(run, known)
    for line in untold:
        console.print(line)
    console.print(run.report_page)


def main() -> None:
    """Entry point of the script."""
    start(report)


if __name__ == "__main__":
    main()
