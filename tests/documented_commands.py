"""The commands that a page shows, and whether they exist with the options that they are shown with."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

REPOSITORY = Path(__file__).parent.parent

FENCED = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Blocks of no language: commands and what they print."""
ANY_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
PROGRAM = re.compile(
    r"^(?:[A-Z_]+=\S+ )*(?:\S*python )?"
    r"(?P<program>(?:workflows|benchmarks)/\w+\.py|(?:\S*/)?ffn(?:-[a-z-]+)?|make)(?P<arguments>(?: .*)?)$"
)
MADE_UP = ("...", "COMMAND")
"""In the place of arguments: whatever follows."""


@dataclass(frozen=True)
class Shown:
    """One command of a page."""

    program: str
    """`ffn`, `make`, or the path of a script."""
    arguments: list[str]

    def wrong(self) -> list[str]:
        """Of its subcommands and options those that do not exist."""
        if self.program == "make":
            return [a for a in self.arguments if "=" not in a and a not in _make_targets()]
        if self.program.startswith("benchmarks/"):
            source = (REPOSITORY / self.program).read_text()
            return [option for option in _options(self.arguments) if not _is_in(source, option)]
        return _wrong(_command(self.program), self.arguments)


def commands(page: str) -> Iterator[Shown]:
    """Those in its blocks, one a line unless the line is continued, and those between single backquotes."""
    blocks = "\n".join(FENCED.findall(page)).replace("\\\n", " ")
    inline = [" ".join(code.split()) for code in INLINE.findall(ANY_FENCED.sub("", page))]
    for line in [*blocks.splitlines(), *inline]:
        found = PROGRAM.match(line)
        if found:
            program = found["program"]
            if not program.endswith(".py"):
                program = program.rpartition("/")[2]
            arguments = shlex.split(re.sub(r"[\[\]]", " ", found["arguments"]), comments=True)
            yield Shown(program, arguments)


def _options(arguments: list[str]) -> list[str]:
    return [argument.partition("=")[0] for argument in arguments if argument.startswith("-")]


def _wrong(command: Any, arguments: list[str]) -> list[str]:
    """As Shown.wrong, of a command of click's."""
    known = {"--help", *(name for p in command.params for name in (*p.opts, *p.secondary_opts))}
    subcommands = getattr(command, "commands", None)
    if subcommands and arguments and not arguments[0].startswith("-") and arguments[0] not in MADE_UP:
        name, *rest = arguments
        return _wrong(subcommands[name], rest) if name in subcommands else [name]
    return [option for option in _options(arguments) if option not in known]


@cache
def _command(program: str) -> Any:
    """The command of a script in workflows/, by its path or by the name under which it is installed."""
    module = importlib.import_module(_installed().get(program) or program[: -len(".py")].replace("/", "."))
    if hasattr(module, "tool"):
        return typer.main.get_command(module.tool())
    app = typer.Typer()
    app.command()(getattr(module, module.__name__.rpartition(".")[2]))
    return typer.main.get_command(app)


@cache
def _installed() -> dict[str, str]:
    """By the names of the installed commands, the modules that they are."""
    config = ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    pairs = (line.split(" = ") for line in lines if line)
    return {name: target.partition(":")[0] for name, target in pairs}


@cache
def _make_targets() -> set[str]:
    return set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def _is_in(source: str, option: str) -> bool:
    """Whether a program with this source may have the option: named as such, or a parameter for typer."""
    parameter = option.lstrip("-").replace("-", "_")
    return f'"{option}"' in source or re.search(rf"^ +{parameter}: ", source, re.MULTILINE) is not None
