"""In which environments a run's tiles were made, by their records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pipeline.geometry import Tile
from pipeline.inference.environment import mixture
from pipeline.results.records import Missing, read
from pipeline.run_folder import Run

Environment: TypeAlias = Mapping[str, str]


def environments(
    finished: Iterable[tuple[Run, Tile]], known: Mapping[str, Environment] | None = None
) -> dict[str, Environment]:
    """The environment of each finished tile of `floods`, by its name; those `known` are not read again."""
    found = dict(known or {})
    for run, tile in finished:
        if run.stem(tile) not in found:
            record = read(run.tile_file(tile))
            if not isinstance(record, Missing):
                found[run.stem(tile)] = record.get("environment", {})
    return found


def mixed_environments(found: Mapping[str, Environment]) -> list[str]:
    """One line where tiles come from more than one environment; none where they do not."""
    said = mixture(found.values())
    return [said] if said else []
