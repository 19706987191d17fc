"""What can be set in a run file: one for your own volume, every key with its default and what it does.

python workflows/config.py init image.h5:raw --truth labels.h5:labels -o my.yaml
python workflows/config.py explain inference.deltas
python workflows/config.py schema > run.schema.json
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import inspect
import json
from collections.abc import Iterator
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import typer
import yaml
from pydantic.fields import FieldInfo

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.settings.fields import Section
from workflows import completion
from workflows.command_line import ending_plainly, prepare
from workflows.config_init import init

REQUIRED = "must be given"
"""In place of a default, of what a section that need not be there must say where it is."""


def explain(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY",
            help="A setting or a section; none: all of them.",
            autocompletion=completion.setting,
        ),
    ] = None,
) -> None:
    """Tell what a setting does, what it may be and what it is by default."""
    known = dict(settings(RunConfig()))
    if key is not None and key not in known:
        near = ", ".join(get_close_matches(key, known, n=3)) or "none; without a name all are listed"
        raise InputError(f"there is no setting {key}; near are {near}")
    for name, (field, default) in known.items():
        if key is None or name == key or name.startswith(f"{key}."):
            _print(name, field, default, in_full=key is not None)


def schema() -> None:
    """Print the JSON schema of a run file, by which editors complete and check it."""
    print(json.dumps(RunConfig.model_json_schema(), indent=2))


def settings(section: Section, above: str = "") -> Iterator[tuple[str, tuple[FieldInfo, Any]]]:
    """Every key of a section and of those in it, with its field and its default, in their order.

    Keys of a section that need not be there are among them.
    """
    for name, field in type(section).model_fields.items():
        inner = _section_of(field.annotation)
        default = getattr(section, name, inner or REQUIRED)
        yield above + name, (field, default)
        below = default if isinstance(default, Section) else inner
        if below is not None:
            yield from settings(below, f"{above}{name}.")


def _section_of(annotation: Any) -> Section | None:
    """A section that is this, or may be, with the defaults that it has."""
    for kind in get_args(annotation) if get_origin(annotation) is UnionType else [annotation]:
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind.model_construct()
    return None


def _print(name: str, field: FieldInfo, default: Any, in_full: bool) -> None:
    if isinstance(default, Section):
        print(f"{name}: {' '.join((type(default).__doc__ or '').split())}")
        return
    shown = yaml.safe_dump(
        json.loads(json.dumps(default, default=str)), default_flow_style=True, width=10_000
    ).splitlines()[0]
    print(f"{name} = {shown}")
    if in_full and field.description:
        print(*(f"    {line}" for line in inspect.cleandoc(field.description).splitlines()), sep="\n")


def tool() -> typer.Typer:
    """The command with its commands."""
    app = typer.Typer(
        help="Run files: write one for a volume, explain what can be set.",
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=False,
    )
    app.command("init")(ending_plainly(init))
    app.command("explain")(ending_plainly(explain))
    app.command("schema")(ending_plainly(schema))
    return app


def main() -> None:
    """Entry point of the script."""
    prepare()
    tool()()


if __name__ == "__main__":
    main()
