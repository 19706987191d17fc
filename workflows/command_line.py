"""What the commands have in common: how they start, and how they say what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import typer
from rich.console import Console


def start(command: Callable[..., None]) -> None:
    """Run a command with the arguments of the command line."""
    # google.api_core, which CloudVolume imports, announces the end of Python versions years ahead.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    typer.run(command)


def print_error(error: Exception) -> None:
    """One line on stderr."""
    Console(stderr=True).print(f"error: {error}", highlight=False, soft_wrap=True, markup=False)
