"""Start modules of this program in processes of their own, whatever else Python would find by their names.

`python .../pipeline/machine/own.py MODULE ARGUMENT...` runs a module as `python -m` does. That would look for
it in the working folder first, where a pipeline.py of the user's may lie, and PYTHONPATH cannot name every
folder. Here the folder in which this program lies comes first, also in what the module starts by
multiprocessing.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def module_command(module: str, *arguments: str, python: Sequence[str] = ()) -> list[str]:
    """The command line that runs a module of this program: by the words `python`, or the Python of this
    process."""
    return [*(python or [sys.executable]), __file__, module, *arguments]


def main() -> None:
    """Run the module that the command line names, with the arguments after it."""
    own = os.path.realpath(Path(__file__).parent)  # the folder of a script, which Python puts in front
    sys.path[:] = [str(REPOSITORY), *(folder for folder in sys.path if os.path.realpath(folder) != own)]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
