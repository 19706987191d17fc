"""A run file as text, every key under its explanation from where it is defined."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from pipeline.config import RunConfig
from pipeline.settings.fields import Section

WIDTH = 110


def commented(document: Mapping[str, Any], remarks: Mapping[str, str], header: Iterable[str]) -> str:
    """YAML of a run file's keys; `remarks` say, by dotted key, why this one has that value."""
    lines = [f"# {line}".rstrip() for line in header]
    return "\n".join([*lines, *_section(RunConfig(), document, remarks, "", "")]) + "\n"


def explanation(section: Section, name: str) -> str:
    """What a key of a section is, in one line: a section's own words, or those beside the field."""
    default = getattr(section, name)
    text = type(default).__doc__ if isinstance(default, Section) else None
    text = text or type(section).model_fields[name].description or ""
    return " ".join(inspect.cleandoc(text).split())


def _section(
    section: Section, document: Mapping[str, Any], remarks: Mapping[str, str], above: str, indent: str
) -> Iterator[str]:
    for name, value in document.items():
        default = getattr(section, name)
        if not indent:
            yield ""
        for text in (explanation(section, name), remarks.get(above + name, "")):
            comment = f"{indent}# "
            yield from textwrap.wrap(
                text, WIDTH, initial_indent=comment, subsequent_indent=comment, break_on_hyphens=False
            )
        if isinstance(default, Section) and isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _section(default, value, remarks, f"{above}{name}.", f"{indent}  ")
        else:
            yield f"{indent}{name}: {_flow(value)}"


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    plain = json.loads(json.dumps(value, default=str))
    return yaml.safe_dump(plain, default_flow_style=True, width=100_000, allow_unicode=True).splitlines()[0]
