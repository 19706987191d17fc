"""Whose a volume in a bucket is: what others have there is neither written over nor removed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, Unreadable
from pipeline.results.bucket import PROVENANCE, Bucket
from pipeline.results.records import Missing, read
from pipeline.run_files import RunFiles
from pipeline.run_folder import Run
from pipeline.volumes.open import is_address

RUNS = re.compile(rb'"run":\s*"(\w+)"')
"""What a provenance names."""

VOLUME = "volume.json"
"""The list of what describes the volume."""

FOLDER = "folder"
"""The name under which a record has where the run was."""


def provenance(run: Run) -> bytes:
    """What the object says: by which run the volume is written, and of which image."""
    image = run.config.data.image
    return json.dumps(
        {
            "description": "segmentation by flood-filling networks",
            "owners": [],
            "processing": [{"method": {"task": "ffn-pipeline", "run": _name(run.folder)}, "by": ""}],
            "sources": [image] if is_address(image) else [],  # a path is this machine's alone
        },
        indent=1,
    ).encode()


def folder_of(run: Run) -> dict[str, str]:
    """What the record of a volume says of where the run was that described it."""
    return {FOLDER: str(run.folder)}


def refuse_foreign(run: Run, bucket: Bucket) -> None:
    """Raise InputError where the bucket's folder has something that this run has not put there, or what the
    run has that this one is a copy of.

    Its record says what is its own, unless the provenance names another run, which has put something there
    since; without a record the provenance says so: a run may be killed before it has one.
    """
    record = _record(run)
    told = record.get("environment", {}) if _is_of(record, bucket) else None
    was = Path((told or {}).get(FOLDER, run.folder))
    if told is not None:
        _refuse_copy(run, was, bucket)
    may_be_moved = told is not None and FOLDER not in told  # as an earlier version has described it
    if _is_of_another(bucket, {_name(run.folder), _name(was)}, told is not None) and not may_be_moved:
        raise InputError(
            f"data.output {bucket.url} holds objects that this run has not put there; expected an empty "
            "folder of a bucket: name another one, or delete what is in it"
        )


def _refuse_copy(run: Run, was: Path, bucket: Bucket) -> None:
    """Raise InputError where the run in the folder `was`, which has described the volume, is there beside
    this one. A run that was moved is the same still."""
    try:
        is_there = _is_of(_record(RunFiles(was)), bucket)
    except Unreadable as error:
        raise InputError(
            f"data.output {bucket.url} has the volume of the run folder {was}, of which {run.folder} may be "
            f"a copy, which cannot be told ({error.__cause__}): give this one another data.output"
        ) from error
    if is_there and not os.path.samefile(was, run.folder):
        raise InputError(
            f"data.output {bucket.url} has the volume of the run folder {was}, of which {run.folder} is "
            f"a copy: give this one another data.output, or remove {was}"
        )


def _is_of_another(bucket: Bucket, ours: set[str], is_recorded: bool) -> bool:
    """Whether the provenance names runs other than `ours`; where it names none, whether there are objects
    that no record of the run has."""
    named = {name.decode() for name in RUNS.findall(bucket.get(PROVENANCE) or b"")}
    if named:
        return not named & ours
    return not is_recorded and not bucket.is_empty()


def _record(files: RunFiles) -> dict[str, Any]:
    """That of the volume's description; empty where there is none."""
    found = read(files.reconciliation_folder / VOLUME)
    return {} if isinstance(found, Missing) else found


def _is_of(record: Mapping[str, Any], bucket: Bucket) -> bool:
    return bool(record) and record["settings"].get("output") == bucket.url


def _name(folder: Path) -> str:
    """What tells the run there from others; nobody learns from it where that is."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:16]
