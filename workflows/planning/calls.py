"""Calls of tasks, told apart by all that their results depend on, without working out what they make."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import apps
import pipeline
from apps.targets import ELSEWHERE
from pipeline.geometry import Box, Tile
from pipeline.results.artifacts import Artifact
from pipeline.results.group_records import GroupRecords
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm

BYTES = 16


class Calls:
    """Sums of calls; of what large arguments many of them have in common one is kept."""

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Run, str]] = {}

    def sum_of(self, app: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """What differs where the name of an app, or an argument that says what it makes, does.

        Artifacts are known by their SHA-256.
        """
        said = [app]
        self._say(args, said)
        for name, value in kwargs.items():
            if name not in ELSEWHERE:
                said.append(name)
                self._say(value, said)
        return hashlib.blake2b("\n".join(said).encode(), digest_size=BYTES).hexdigest()

    def _say(self, value: Any, said: list[str]) -> None:
        """Add lines that say what a value is, and where it ends if it holds others."""
        kind = type(value)
        if kind is Artifact:
            said.append(value.sha256)
        elif kind is tuple or kind is list:
            for of in value:
                self._say(of, said)
            said.append(")")
        elif kind is dict:
            for key, of in value.items():
                said.append(repr(key))
                self._say(of, said)
            said.append("}")
        elif kind is Tile:
            said.append(f"tile {value.index} {value.box}")
        elif kind is Box:
            said.append(f"box {value}")
        else:
            said.append(self._of_run(value) if kind is Run else repr(value))

    def _of_run(self, run: Run) -> str:
        if id(run) not in self._runs:  # kept, so that no other one gets its place
            text = repr(replace(run, touched=()))
            self._runs[id(run)] = run, hashlib.sha256(text.encode()).hexdigest()
        return self._runs[id(run)][1]


def group_records(run: Run) -> GroupRecords:
    """Those of a run, as long as its image has voxels of this size and this very program plans it."""
    return GroupRecords(run.group_records_folder, f"{_program()} {image_voxel_size_nm(run)}")


@lru_cache
def _program() -> str:
    """SHA-256 of the sources by which it is worked out what tasks make."""
    digest = hashlib.sha256()
    for package in (pipeline, apps):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
