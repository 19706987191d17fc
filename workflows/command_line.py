"""What the commands have in common: how they name a run, how they start, and how they say what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DEMO = Path(__file__).parent.parent / "configs" / "demo.yaml"

ConfigOption = Annotated[Path, typer.Option(help="The run file: what to compute, on which data.")]
RunDirOption = Annotated[
    Path | None,
    typer.Option(help="Where everything is written (default: runs/ and the run file's name)."),
]
SiteOption = Annotated[
    str | None,
    typer.Option(help="The machine, a module of site_configs/ (default: what the run file says)."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. training.ranks=4; repeatable."),
]


def all_overrides(overrides: list[str] | None, site: str | None) -> list[str]:
    """What `--set` and `--site` change in a run file."""
    return [*(overrides or []), *([f"site.name={site}"] if site else [])]


def run_folder(run_dir: Path | None, config: Path) -> Path:
    """The folder of a run, given or not."""
    return run_dir or Path("runs") / config.stem


def start(command: Callable[..., None]) -> None:
    """Run a command with the arguments of the command line."""
    # google.api_core, which CloudVolume imports, announces the end of Python versions years ahead.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    typer.run(command)


def print_error(error: Exception) -> None:
    """One line on stderr."""
    Console(stderr=True).print(f"error: {error}", highlight=False, soft_wrap=True, markup=False)
