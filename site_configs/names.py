"""What the paths and names of a run may hold: they go into shell lines, job scripts and schedulers' options.

All of them are quoted. A few characters are refused all the same, before anything is submitted: those that a
scheduler takes for its own syntax, however they are quoted.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.errors import InputError
from pipeline.machine.own import REPOSITORY
from pipeline.run_folder import Run
from site_configs.machine import TAGS

OF_SCHEDULERS = {
    "sbatch": ("\\", "Slurm takes it out of the names of a job's files"),
    "qselect": (":", "PBS takes what stands before it for a host"),
    "aprun": ("$", "Cobalt takes it for one of its variables"),
}
"""By a command of a batch system: a character that the paths of a job's files must not hold, and why."""

NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of bytes that are no text, and of what ends a line."""

NAME = re.compile(r"[\w.@+=%][\w.@+=%:,/-]*")
"""An account, a queue or a list of file systems, as it may stand in a line of options."""


def check_paths(run: Run, commands: Sequence[str]) -> None:
    """Raise InputError for a path that cannot be handed to a job; `commands` are the batch system's."""
    for what, path, mend in _paths(run):
        if not in_a_line(str(path)):
            raise InputError(
                f"{what} is {str(path)!r}: line breaks, control characters and what is no text cannot stand "
                f"in the script of a job; {mend}"
            )
    for character, why in (OF_SCHEDULERS[name] for name in commands if name in OF_SCHEDULERS):
        if character in str(run.folder):
            raise InputError(f"run folder {run.folder}: {character!r}: {why}; choose another --run-dir")


def check_words(names: Mapping[str, str | None], options: Sequence[str]) -> None:
    """Raise InputError unless these settings of `site`, by name, and options can stand in a job's script."""
    for setting, name in names.items():
        if name and not NAME.fullmatch(name):
            raise InputError(
                f"site.{setting} is {name!r}: not a name that can stand in a line of options: "
                "set one without spaces and quotes"
            )
    for option in options:
        check_line("scheduler_options", option)
        if option and not option.startswith("-"):
            raise InputError(
                f"site.scheduler_options: {option!r} is no option: give it as it stands on the command line, "
                "beginning with -, without #SBATCH, #PBS or #COBALT"
            )


def check_commands(commands: str) -> None:
    """Raise InputError where `site.worker_init` has options for jobs: sbatch reads them, unseen by all that
    checks options, and qsub does not."""
    for line in commands.splitlines():
        if line.startswith(TAGS):
            raise InputError(
                f"site.worker_init: {line!r} is an option of jobs: give it by site.scheduler_options, as it "
                "stands on the command line, or by the setting that there is for it"
            )


def check_line(setting: str, text: str) -> None:
    """Raise InputError unless this of a setting of `site` can stand in a line of a job's script."""
    if not in_a_line(text):
        raise InputError(f"site.{setting}: {text!r} is not one line: give each as an item of its own")


def in_a_line(text: str) -> bool:
    """Whether a text has nothing that would end a line or could not be written."""
    return not any(unicodedata.category(character) in NOT_IN_A_LINE for character in text)


def _paths(run: Run) -> Iterator[tuple[str, Path, str]]:
    """What each path is, and how another one is had."""
    yield "the run folder", run.folder, "choose another --run-dir"
    yield "the folder of this program", REPOSITORY, "move it"
    yield "the Python environment", Path(sys.prefix), "make it elsewhere"
