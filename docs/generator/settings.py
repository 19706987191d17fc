"""The directive `settings`: every key of a run file with its kind, default and explanation, from the code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pipeline.config import RunConfig
from pipeline.settings.fields import Section
from workflows.config import REQUIRED, settings

KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
LIMITS |= {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
"""The latter are Pydantic's own names, which it leaves to types that have a validator of ours."""
COUNTS = {2: "two", 3: "three"}


def lines() -> Iterator[str]:
    """The page in Markdown: a heading for each section, an entry for each setting."""
    schema = RunConfig.model_json_schema()
    for name, (field, default) in settings(RunConfig()):
        if isinstance(default, Section):
            yield from ("#" * (2 + name.count(".")) + f" {name}", "", *_text(type(default).__doc__), "")
        else:
            what = kind(_described(name, schema), schema)
            otherwise = "it must be given" if default == REQUIRED else f"by default `{_in_yaml(default)}`"
            yield from (f"- **`{name}`**: {what}; {otherwise}.", "")
            yield from (f"  {line}" for line in _text(field.description))
            yield ""


def kind(described: dict[str, Any], schema: dict[str, Any]) -> str:
    """In words what a value may be, by its JSON schema, which is a part of `schema`."""
    if "$ref" in described:
        return kind(_defined(described, schema), schema)
    if "anyOf" in described:
        return ", or ".join(kind(choice, schema) for choice in described["anyOf"])
    if "enum" in described or "const" in described:
        return "one of " + ", ".join(
            f"`{value}`" for value in described.get("enum", [described.get("const")])
        )
    if described["type"] == "array":
        each = described.get("items") or described["prefixItems"][0]
        how_many = COUNTS.get(described.get("maxItems", 0), "a list")
        return f"{how_many}, each {kind(each, schema)}"
    if "properties" in described:
        return "a section of " + ", ".join(f"`{key}`" for key in described["properties"])
    if described["type"] == "object":
        return f"a mapping, each value {kind(described['additionalProperties'], schema)}"
    if described.get("description") and described["type"] == "string" and "title" not in described:
        return f"`{described['description']}`"  # a type of ours, such as a box
    limits = " and ".join(f"{sign} {described[key]:g}" for key, sign in LIMITS.items() if key in described)
    return f"{KINDS[described['type']]} {limits}".strip()


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The part of the schema that is about the setting `name`."""
    part = schema
    for key in name.split("."):
        part = _defined(part, schema)["properties"][key]
    return part


def _defined(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for choice in part.get("anyOf", [part]):
        if "$ref" in choice:
            return schema["$defs"][choice["$ref"].rpartition("/")[2]]
    return part


def _in_yaml(default: Any) -> str:
    plain = json.loads(json.dumps(default, default=str))
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).splitlines()[0]


def _text(description: str | None) -> list[str]:
    return inspect.cleandoc(description or "").splitlines()


class Settings(SphinxDirective):
    """```{settings}``` stands for all of them."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        return self.parse_text_to_nodes("\n".join(lines()), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
