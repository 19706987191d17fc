"""Which settings differ, in the words of a run file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_VALUE = 60
"""Characters of a setting that is told in full; of a longer one it is told that it has changed."""

STORED = "reconciliation.chunk, block, mips or sharded, or inference.box"

CALLED = {
    r"ignore border": "evaluation.ignore_border_nm",
    r"exclude": "evaluation.exclude",
    r"patch_radius": "network.fov, network.deltas or training.moves_reach",
    r"fov": "network.fov",
    r"reflect": "inference.reflect",
    r"output": "data.output",
    r"core": "inference.box, tile or overlap",
    r"(info\.)?mesh": "reconciliation.meshes",
    r"(info\.)?skeletons": "reconciliation.skeletons",
    r"((scale|finer)\.(key|resolution)|voxel_size_nm)": "data.voxel_size_nm",
    r"(scale|finer)\.chunk_sizes": "reconciliation.chunk",
    r"(scale|finer)\.(voxel_offset|size)": "inference.box",
    r"(scale|finer|info|mesh|skeletons)\..*": STORED,
}
"""Of a key of a recipe the settings that it is made of; the first that matches counts."""


OF_ALIGN = ("aligned volume", "render")
"""Stages whose volume is described in the same words, and is not made by these settings."""


def told_changes(stage: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences between the settings of two recipes of a stage as `changes`, or, where a recipe says
    what comes of a setting, the name of that alone."""
    named, known = [], {} if stage in OF_ALIGN else CALLED
    for key, a, b in _differing(old, new, ""):
        called = next((name for pattern, name in known.items() if re.fullmatch(pattern, key)), None)
        named.append(called or _told(key, a, b))
    return list(dict.fromkeys(named))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`key old -> new` of every setting that differs, keys dotted as in a run file; the key alone where a
    value is long."""
    return [_told(key, a, b) for key, a, b in _differing(old, new, "")]


def _differing(
    old: Mapping[str, Any], new: Mapping[str, Any], section: str
) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differing(a, b, f"{section}{key}.")
        elif a != b:
            yield f"{section}{key}", a, b


def _told(key: str, old: Any, new: Any) -> str:
    values = [value if isinstance(value, str) else json.dumps(value) for value in (old, new)]
    return f"{key} {' -> '.join(values)}" if max(map(len, values)) <= LONGEST_VALUE else key
