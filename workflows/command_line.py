"""What the commands have in common: how they name a run, how they start, and how they say what is wrong."""

from __future__ import annotations

import functools
import math
import os
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from pipeline.config import RunConfig
from pipeline.errors import InputError, Superseded
from pipeline.machine.own import REPOSITORY
from pipeline.results.attempts import INTERRUPTED
from pipeline.results.unreadable import is_there
from pipeline.run_files import ALIGN_CONFIG_NAME, CONFIG_NAME
from pipeline.settings.run_file import load_config, read_config
from site_configs import with_defaults
from site_configs.described import lasting
from workflows import completion
from workflows.going_on import boxes_left_open, is_of_a_start, require_preset
from workflows.output import PlainConsole, outlive_listeners

RUN_FILES = REPOSITORY / "configs"
"""The run files that come with the program, installed or not."""

DEMO = "demo.yaml"

LONGEST_NAME = 4096
"""Characters of a path, on Linux: longer text that cannot be encoded is something else."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="The run file: what to compute, on which data (default: that kept in --run-dir, or, where no "
        "folder is given either, the demo). One that is not there by this name may be one that comes with "
        "the program.",
        autocompletion=completion.run_file,
    ),
]
RunDirOption = Annotated[
    Path | None,
    typer.Option(help="Where everything is written (default: runs/ and the run file's name)."),
]
SiteOption = Annotated[
    str | None,
    typer.Option(
        help="The machine: one that `ffn sites` lists, or a file that describes it, ./mylab.yaml "
        "(default: what the run file says).",
        autocompletion=completion.site,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one setting, e.g. training.ranks=4; repeatable.",
        autocompletion=completion.assignment,
    ),
]

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print results, warnings and errors alone, and no progress.")
]
DiscardOption = Annotated[
    bool,
    typer.Option(
        "--discard",
        help="Throw finished work away that is of other settings or inputs than these.",
    ),
]


def all_overrides(config: Path, overrides: list[str] | None, site: str | None) -> list[str]:
    """What `--set` and `--site` change in a run file.

    A run that goes on at another site does not take the settings of the first one's machine along. Raises
    InputError.
    """
    changes = list(overrides or [])
    if is_of_a_start(config):
        require_preset(config, changes)
        changes += boxes_left_open(config, changes)
    if site is None:
        return changes
    site = lasting(site)
    moves = is_of_a_start(config) and read_config(config).site.name != site
    return [*(["site={}"] if moves else []), *changes, f"site.name={site}"]


def load_settings(config: Path, overrides: list[str] | None, site: str | None) -> RunConfig:
    """The run file with `--set` and `--site`, and with its site's defaults. Raises InputError."""
    return with_defaults(load_config(config, all_overrides(config, overrides, site)))


def run_file(config: Path | None, run_dir: Path | None) -> Path:
    """The run file: as given, else the settings with which the run in `run_dir` was started last; DEMO where
    neither is named.

    One that is not there may be of this name among those that come with the program. Raises InputError.
    """
    if config is None:
        if run_dir is None:
            return RUN_FILES / DEMO
        if is_there(run_dir / CONFIG_NAME):
            return run_dir / CONFIG_NAME
        if is_there(run_dir / ALIGN_CONFIG_NAME):
            raise InputError(
                f"{run_dir} is the folder of `ffn align`, and of no run: `ffn align --run-dir` goes on with "
                "it, with --dry-run it tells what it would do"
            )
        raise InputError(
            f"{run_dir} holds no run to go on with, as it has no {CONFIG_NAME}; a new one needs --config, "
            "a run file or one that comes with the program: --config demo"
        )
    try:
        is_folder = stat.S_ISDIR(config.stat().st_mode)
    except FileNotFoundError:
        return _packaged(config, "No such file")
    except OSError as error:
        raise InputError(f"config file {config}: {error.strerror}") from None
    return _packaged(config, "a folder, no file") if is_folder else config


def kept_run_file(folder: Path) -> Path:
    """The settings of the last start of the run in a folder. Raises InputError where it is no run's."""
    if not folder.is_dir():
        raise InputError(f"run folder {folder}: no such folder; name that of a run, its --run-dir")
    if not is_there(folder / CONFIG_NAME):
        raise InputError(
            f"{folder} is no run folder: it holds no {CONFIG_NAME}; name that of a run, its --run-dir"
        )
    return folder / CONFIG_NAME


def _packaged(config: Path, what: str) -> Path:
    """The run file of this name, bare or below configs/, that comes with the program; `what` is said of the
    user's. Raises InputError."""
    packaged = {path.name: path for path in sorted(RUN_FILES.glob("*.yaml"))}
    name = config.name if config.suffix else f"{config.name}.yaml"
    if name in packaged and config.parent in (Path(), Path(RUN_FILES.name)):
        return packaged[name]
    raise InputError(
        f"config file {config}: {what}; it is neither {config.absolute()} nor one of those that come "
        f"with the program, in {RUN_FILES}: {', '.join(packaged)}"
    )


Number = TypeVar("Number", int, float)


def listed(option: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    """The positive numbers in an option such as `1,2,4`, each of them once. Raises InputError."""
    try:
        numbers = [kind(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    once = len(set(numbers)) == len(numbers)
    if not numbers or not once or not all(0 < number < math.inf for number in numbers):
        raise InputError(f"{option} {text!r}: expected numbers such as 1,2,4, each once")
    return numbers


def print_run_file(config: Path, console: Console) -> None:
    """Say which run file was taken: by default, or by its name, it may be one that comes with the program."""
    console.print(f"run file {config}", highlight=False, soft_wrap=True)


def run_folder(run_dir: Path | None, config: Path) -> Path:
    """The folder of a run, given or not. Raises InputError."""
    folder = run_dir or Path("runs") / config.stem
    try:
        folder.resolve()
    except RuntimeError:
        raise InputError(f"run folder {folder}: links that lead to each other; name a folder") from None
    return folder


def ending_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """The command; what a user can mend ends it in one line and exit code 1, Ctrl-C in the code for that."""

    @functools.wraps(command)
    def with_plain_ends(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except (InputError, Superseded) as error:
            print_error(error)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (FileNotFoundError, UnicodeEncodeError, RuntimeError) as error:
            what = _what_ails_a_name(error)
            if what is None:
                raise
            print_error(InputError(what))
            raise typer.Exit(1) from None

    return with_plain_ends


def _what_ails_a_name(error: FileNotFoundError | UnicodeEncodeError | RuntimeError) -> str | None:
    """Why nothing is found by a name, or from the shell that the command was given in; None where it is."""
    if isinstance(error, RuntimeError):  # what pathlib raises
        loop = str(error).partition("Symlink loop from ")[2]
        return f"{loop}: links that lead to each other; name a file or a folder" if loop else None
    if isinstance(error, UnicodeEncodeError):
        return None if len(error.object) > LONGEST_NAME else _not_a_name(error.object)
    try:
        os.getcwd()
    except FileNotFoundError:
        return "the folder that this shell is in was removed: change into one that is there (cd)"
    return None


def _not_a_name(text: str) -> str:
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        return f"{text!r} is no text in UTF-8, as the names of files and volumes have to be: rename it"
    return (
        f"{text!r}: by this shell's locale the names of files are {encoding}, which this is not: set "
        "PYTHONUTF8=1 in the environment, or a locale in UTF-8"
    )


def prepare() -> None:
    """What every command does first: it runs to its end whether anybody listens or not."""
    # google.api_core, which CloudVolume imports, announces the end of Python versions years ahead.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    outlive_listeners()
    if os.environ.get("COLUMNS", "").strip("0") == "":  # a terminal of unknown size: nothing would be printed
        os.environ.pop("COLUMNS", None)


def start(command: Callable[..., None]) -> None:
    """Run a command with the arguments of the command line."""
    prepare()
    typer.run(ending_plainly(command))


def print_error(error: Exception) -> None:
    """One line on stderr."""
    PlainConsole(stderr=True).print(f"error: {error}", highlight=False, soft_wrap=True)
