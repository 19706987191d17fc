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
    run: Run, finished: Iterable[Tile], known: Mapping[str, Environment] | None = None
) -> dict[str, Environment]:
    """The environment of each finished tile, by the tile's name; those `known` already are not read again."""
    found = dict(known or {})
    for tile in finished:
        if tile.name not in found:
            record = read(run.tile_file(tile))
            if not isinstance(record, Missing):
                found[tile.name] = record.get("environment", {})
    return found


def mixed_environments(found: Mapping[str, Environment]) -> list[str]:
    """One line where tiles come from more than one environment; none where they do not."""
    said = mixture(found.values())
    return [said] if said else []
