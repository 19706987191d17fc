"""Show how a run is, from another terminal or another machine: reads only, starts nothing.

python workflows/status.py runs/demo
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from pipeline.errors import Unreadable
from pipeline.results.unreadable import is_there
from pipeline.run_files import ALIGN_CONFIG_NAME
from workflows.command_line import start
from workflows.output import PlainConsole, is_heard

if TYPE_CHECKING:
    from workflows.watching.status_view import Memory

RENEW_S = 2.0


def status(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The folder of the run.")],
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
) -> None:
    """Show how a run is: at work, ended or dead, what is done, what goes on and what went wrong.

    It only reads, so it can be asked at any time, from any machine that sees the folder.
    """
    from workflows.watching.status_view import Memory

    memory = Memory()
    console = PlainConsole(highlight=False, soft_wrap=True)
    try:
        while True:
            picture = _picture(folder, memory, watch)
            if watch:
                console.clear()
            for part in picture:
                console.print(part)
            if not watch or not is_heard():
                return
            time.sleep(RENEW_S)
    except KeyboardInterrupt:
        return


def _picture(folder: Path, memory: Memory, watch: bool) -> list[RenderableType]:
    """The parts of the picture; what may be readable again the next time does not end a watch."""
    from workflows.watching.alignment_view import alignment_view
    from workflows.watching.status_view import status_view

    try:
        if is_there(folder / ALIGN_CONFIG_NAME):
            return list(alignment_view(folder))
        return list(status_view(folder, memory))
    except Unreadable as error:
        if not watch:
            raise
        return [str(error)]


def main() -> None:
    """Entry point of the `ffn-status` command."""
    start(status)


if __name__ == "__main__":
    main()
