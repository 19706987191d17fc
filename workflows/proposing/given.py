"""What a user says of a run file that is to be proposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.config import RunConfig
from pipeline.settings.evaluation import FROM_LABELS
from pipeline.settings.run_file import apply_override, parse_config
from workflows.proposing.look import absolute

PATHS = {
    ("data",): ("mask", "loss_mask"),
    ("network",): ("checkpoint",),
    ("training",): ("start_from",),
    ("training", "volumes", "data"): ("image", "labels", "mask", "loss_mask"),
    ("inference", "passes"): ("checkpoint",),
    ("evaluation",): ("skeletons",),
    ("reconciliation",): ("corrections",),
}
"""By their sections, or lists of these: what else a user may set that is looked up from where the command is
given."""


def read_given(image: str, truth: str | None, overrides: list[str]) -> RunConfig:
    """What the user says, with paths that are right from every folder. Raises InputError."""
    document: dict[str, Any] = {"data": {"image": absolute(image)}}
    if truth:
        document["data"]["labels"] = absolute(truth)
    for override in overrides:
        apply_override(document, override)
    config = parse_config(document, source="--set")
    if config.data.folder is not None:
        return config
    for sections, names in PATHS.items():
        for section in _all_of(document, sections):
            for name in names:
                path = section.get(name)
                if path and path != FROM_LABELS and "folder" not in section:
                    section[name] = absolute(path)
    return parse_config(document, source="--set")


def _all_of(section: dict[str, Any], below: Sequence[str]) -> list[dict[str, Any]]:
    """The sections at the end of a way down from one, several where lists of them lie on it."""
    if not below:
        return [section]
    inner = section.get(below[0]) or []
    return [
        found
        for one in (inner if isinstance(inner, list) else [inner])
        for found in _all_of(one or {}, below[1:])
    ]
