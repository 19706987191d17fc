"""Fetch a public data set, check it, and lay it out as its run file expects it.

python workflows/data.py fib25 data/fib25
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import shlex
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.downloads import fib25 as sample
from pipeline.downloads.fetch import Download, alone_in, fetch, is_whole
from pipeline.wording import counted
from workflows.command_line import QuietOption, ending_plainly, prepare
from workflows.output import PlainConsole

CREDIT = """image and truth: FlyEM, Janelia Research Campus (github.com/janelia-flyem/neuroproof_examples)
network: google/ffn, Apache 2.0; Januszewski et al. 2018, doi.org/10.1038/s41592-018-0049-4"""


def fib25(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put it; made if it is not there.")],
    quiet: QuietOption = False,
) -> None:
    """Fetch image, truth and published network of FIB-25 into a folder, for `ffn run --config fib25`.

    About 15 MB. Every file is checked by its SHA-256. The same command again goes on where it broke off,
    and fetches nothing where all is well.
    """
    folder = folder.absolute()
    with alone_in(folder):
        for download in sample.DOWNLOADS:
            if is_whole(download, folder):
                _say(f"{download.what}: is there", quiet)
                continue
            _fetch(download, folder, quiet)
            _say(f"{download.what}: fetched, {counted(len(download.files), 'file')}", quiet)
        for made in sample.convert(folder, sample.DOWNLOADS):
            _say(f"{made.name}: made", quiet)
    _say(CREDIT, quiet)
    _say(f"now: FFN_DATA={shlex.quote(str(folder))} ffn run --config fib25", quiet)


def _fetch(download: Download, folder: Path, quiet: bool) -> None:
    """Fetch with a bar on a terminal."""
    screen = PlainConsole(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeElapsedColumn(),
    )
    hidden = quiet or not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as progress:
        task = progress.add_task(f"fetching {download.what}", total=len(download.files))
        fetch(download, folder, lambda files: progress.update(task, completed=files))


def _say(line: str, quiet: bool) -> None:
    if not quiet:
        print(line, flush=True)


def tool() -> typer.Typer:
    """The command with its data sets."""
    app = typer.Typer(
        help="Fetch a public data set.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )
    app.callback()(lambda: None)  # or the one data set there is would need no name
    app.command("fib25")(ending_plainly(fib25))
    return app


def main() -> None:
    """Entry point of the script."""
    prepare()
    tool()()


if __name__ == "__main__":
    main()
