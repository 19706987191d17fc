"""Point: one training of a study, with a run folder of its own.

A point's folder is named by all settings that decide what is measured there: other settings are another
folder, equal ones the same, whichever study asks for them. So what is made already is never made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.errors import InputError
from pipeline.results.artifacts import publishing
from pipeline.run_folder import Run
from pipeline.settings.input_identities import write_kept
from pipeline.settings.run_file import dump_config, parse_config

Value: TypeAlias = float | int | str
LOG_LINES = 24
"""Of each point's training log, about: enough for a curve."""

SETTINGS = {
    "ranks": "training.ranks",
    "threads": "training.threads_per_rank",
    "batch": "training.batch_size",
    "rate": "training.learning_rate",
    "precision": "training.precision",
    "seed": "seed",
}
"""What a study varies, by its name in tables; other names are keys of a run file, such as training.ranks.
`pinned` is no setting, but how the ranks are started."""

RATE_SCALING = "training.rate_scaling"
"""none where a rate is varied and this is not: it is the rate that the ranks are given, as it is."""

PINNING = ("pinned", "not pinned")
DECISIVE = ("seed", "data", "network", "training")
"""Sections of the settings that decide what a training learns, and how fast."""

MACHINE = {"name", "ranks_per_node", "gpus_per_node", "train_on_cpus"}
"""Settings of `site` that decide how fast; on this machine, as it is by default, none of them counts."""


@dataclass(frozen=True)
class Point:
    """One training of a study."""

    run: Run
    """Resolved; its folder is the point's own, and the rest of the program can read it as any run's."""
    varied: Mapping[str, Value]
    """What sets it apart from the other points, by the names in SETTINGS, and `pinned`."""

    @property
    def name(self) -> str:
        return self.run.folder.name

    @property
    def is_pinned(self) -> bool:
        """Whether each rank keeps to cores of its own, where there are enough."""
        return self.varied.get("pinned", PINNING[0]) == PINNING[0]

    def write_settings(self) -> None:
        """Keep the settings in the point's folder, as a start of a run does."""
        with publishing(self.run.config_file) as temporary:
            temporary.write_text(dump_config(self.run.config))
        write_kept(self.run)


def make_point(base: Run, folder: Path, fovs: int, varied: Mapping[str, Value]) -> Point:
    """The training of the resolved run `base` with some settings `varied`, over `fovs` FOVs.

    Warm-up, decay and cycles keep their shares of the training. Its run folder is one of its own in `folder`.
    Raises InputError where the settings do not fit together.
    """
    document = json.loads(base.config.model_dump_json())
    settings = {SETTINGS.get(name, name): value for name, value in varied.items() if name != "pinned"}
    if SETTINGS["rate"] in settings:
        settings = {RATE_SCALING: "none", **settings}
    for key, value in settings.items():
        _set(document, key, value)
    training = document["training"]
    for name in ("warmup_fovs", "decay_fovs"):
        training[name] = training[name] * fovs // training["fovs"]
    if training["cycle_fovs"] is not None:
        training["cycle_fovs"] = max(1, training["cycle_fovs"] * fovs // training["fovs"])
    training |= {"fovs": fovs, "choose_by": "last", "validation_box": None}
    steps = -(-fovs // (training["ranks"] * training["batch_size"]))
    training["report_every_steps"] = max(1, steps // LOG_LINES)
    point = Point(replace(base, config=parse_config(document, source="a point of the study")), varied)
    return replace(point, run=replace(point.run, folder=folder / _name(point)))


def _set(document: dict[str, Any], key: str, value: Value) -> None:
    *sections, last = key.split(".")
    for section in sections:
        document = document.get(section, {})
    if last not in document:
        raise InputError(f"{key} is no setting; `config explain` lists all keys")
    document[last] = value


def _name(point: Point) -> str:
    """Readable, and unlike that of every other point."""
    config = point.run.config
    settings = {name: json.loads(config.model_dump_json())[name] for name in DECISIVE}
    machine = config.site.model_dump(mode="json", include=MACHINE, exclude_defaults=True)
    machine = {"site": machine} if machine else {}
    pinned = {} if point.is_pinned else {"pinned": False}
    inputs = dict(point.run.identities)
    text = json.dumps({**settings, **machine, **pinned, "inputs": inputs}, sort_keys=True)
    t = config.training
    return (
        f"ranks_{t.ranks}-batch_{t.batch_size}-rate_{t.learning_rate:g}-seed_{config.seed}-"
        f"{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    )
