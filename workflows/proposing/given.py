"""What a user says of a run file that is to be proposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.config import RunConfig
from pipeline.geometry import Triple
from pipeline.settings.evaluation import FROM_LABELS
from pipeline.settings.run_file import apply_override, parse_config
from workflows.proposing.look import absolute
from workflows.proposing.sizes import steps_of

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


LEAST = {"fov": [3, 3, 3], "deltas": [1, 1, 1]}
MOST = [2**31] * 3
"""Sizes of a network, and a tile, beside which others are not refused."""


def read_given(image: str, truth: str | None, overrides: list[str]) -> RunConfig:
    """What the user says, with paths that are right from every folder. Raises InputError."""
    document: dict[str, Any] = {"data": {"image": absolute(image)}}
    if truth:
        document["data"]["labels"] = absolute(truth)
    for override in overrides:
        apply_override(document, override)
    tiling = _take_tiling(document)
    _give_deltas(document)
    config = parse_config(document, source="--set")
    if config.data.folder is None:
        for sections, names in PATHS.items():
            for section in _all_of(document, sections):
                for name in names:
                    path = section.get(name)
                    if path and path != FROM_LABELS and "folder" not in section:
                        section[name] = absolute(path)
        config = parse_config(document, source="--set")
    return config.model_copy(update={"inference": config.inference.model_copy(update=tiling)})


def _take_tiling(document: dict[str, Any]) -> dict[str, Triple]:
    """Take tile and overlap out of a document: the defaults of what goes with them, by which they might be
    refused, are not what will be proposed. Raises InputError."""
    inference = document.get("inference")
    if not isinstance(inference, dict):
        return {}
    given = {name: inference.pop(name) for name in ("tile", "overlap") if name in inference}
    alone = {"network": LEAST, "inference": {"tile": MOST, "overlap": [0, 0, 0], **given}}
    read = parse_config(alone, source="--set").inference
    return {name: getattr(read, name) for name in given}


def _give_deltas(document: dict[str, Any]) -> None:
    """Set the deltas that go with a FOV that is set alone: the default ones may be too long. Raises
    InputError."""
    network = document.get("network")
    if not isinstance(network, dict) or "fov" not in network or network.keys() & {"deltas", "checkpoint"}:
        return
    read = parse_config({"network": {**network, "deltas": LEAST["deltas"]}}, source="--set").network
    network["deltas"] = list(steps_of(read.fov))


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
