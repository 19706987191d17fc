"""The machines that `--site` knows, and the description of one, to be copied and changed.

python workflows/sites.py
python workflows/sites.py polaris > mylab.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from typing import Annotated

import typer

from pipeline.errors import InputError
from site_configs.described import LOCAL, machine, read_text, site_names
from workflows import completion
from workflows.command_line import start

THIS_MACHINE = "This machine, whatever it is"


def sites(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SITE", help="One of them, or a file that describes one.", autocompletion=completion.site
        ),
    ] = None,
) -> None:
    """List the machines that --site knows, or print the description of one.

    A copy of it, changed, is a site of your own: --site ./mylab.yaml.
    """
    if name is None:
        names = site_names()
        width = max(map(len, names))
        for known in names:
            print(f"{known:{width}}  {THIS_MACHINE if known == LOCAL else machine(known).description}")
        return
    if name == LOCAL:
        raise InputError("site local is this machine, and has no description; `ffn sites slurm` shows one")
    machine(name)
    print(read_text(name), end="")


def main() -> None:
    """Entry point of the script."""
    start(sites)


if __name__ == "__main__":
    main()
