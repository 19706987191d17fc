"""YAML read without guessing: what stands there is text, and the field it is for says what that means.

YAML 1.1 takes 010 for 8, 1:30 for 90, yes for true and 007 for 7, whatever was meant, and of two
equal keys the last. Here a scalar stays as it is written (`null`, `~` and nothing at all are None), sections
and lists, anchors and merge keys are YAML's own, and equal keys are refused.
"""

from __future__ import annotations

from typing import Any

import yaml

OPENING = "[{'\""
"""With what a value of `key=value` begins that is YAML; any other is taken as it is given."""


def read_yaml(content: bytes | str) -> Any:
    """Mappings, lists, text and None. Bytes must be UTF-8, with a byte order mark or without.

    Raises ValueError that says in one line what is wrong.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        return yaml.load(text, _Loader)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply, or in itself") from None


def read_value(text: str) -> Any:
    """A value given on a command line: a list, mapping or quoted text in YAML, else the text as it is.

    Nothing, `~` and `null` are None. Raises ValueError as `read_yaml` does.
    """
    if text in ("", "~", "null"):
        return None
    return read_yaml(text) if text.startswith(tuple(OPENING)) else text


MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Knows no numbers, booleans or dates but by an explicit tag."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in its base
        first: [(tag, pattern) for tag, pattern in known if tag.endswith((":null", ":merge"))]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """The node of a mapping as it is written: what it merges is not among its keys yet."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"the key in line {line} is no text")
            if key.value in lines:
                both = f"in lines {lines[key.value]} and {line}"
                raise yaml.YAMLError(f"the key {key.value!r} stands twice, {both}")
            lines[key.value] = line
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """A mapping's own keys win over those that it merges, and of several that it merges the first wins.

        PyYAML 6.0.4 tells keys apart by the identity of strings, and then it is another that wins.
        """
        merged: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
        own = []
        for key, value in node.value:
            if key.tag != MERGE:
                own.append((key, value))
                continue
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(source, yaml.MappingNode):
                    raise yaml.YAMLError(f"<< in line {key.start_mark.line + 1} does not name a mapping")
                self.flatten_mapping(source)
                for pair in source.value:
                    merged.setdefault(pair[0].value, pair)
        taken = {key.value for key, _ in own}
        node.value = [pair for name, pair in merged.items() if name not in taken] + own
