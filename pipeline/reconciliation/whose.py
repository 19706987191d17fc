"""Whose a volume in a bucket is: what others have there is neither written over nor removed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.results.bucket import PROVENANCE, Bucket
from pipeline.results.records import Missing, read
from pipeline.run_files import RunFiles
from pipeline.run_folder import Run

REMOTE = re.compile(r"precomputed://(gs|s3|https?)://")
"""Addresses of images that others can know; a path is this machine's alone."""

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
            "processing": [{"method": {"task": "ffn-pipeline", "run": _name(run)}, "by": ""}],
            "sources": [image] if REMOTE.match(image) else [],
        },
        indent=1,
    ).encode()


def folder_of(run: Run) -> dict[str, str]:
    """What the record of a volume says of where the run was that described it."""
    return {FOLDER: str(run.folder.resolve())}


def refuse_foreign(run: Run, bucket: Bucket) -> None:
    """Raise InputError where the bucket's folder has something that this run has not put there, or what the
    run has that this one is a copy of.

    Its record says what is its own, or else the provenance: it may be killed before it has the record.
    """
    record = _record(run)
    if _is_of(record, bucket):
        was = record["environment"].get(FOLDER)
        # one that was moved is the same run still
        if was and _is_of(_record(RunFiles(Path(was))), bucket) and not os.path.samefile(was, run.folder):
            raise InputError(
                f"data.output {bucket.url} has the volume of the run folder {was}, of which {run.folder} is "
                f"a copy: give this one another data.output, or remove {was}"
            )
        return
    said = bucket.get(PROVENANCE) or b""
    if f'"run": "{_name(run)}"'.encode() in said or bucket.is_empty():
        return
    raise InputError(
        f"data.output {bucket.url} holds objects that this run has not put there; expected an empty folder "
        "of a bucket: name another one, or delete what is in it"
    )


def _record(files: RunFiles) -> dict[str, Any]:
    """That of the volume's description; empty where there is none."""
    found = read(files.reconciliation_folder / VOLUME)
    return {} if isinstance(found, Missing) else found


def _is_of(record: Mapping[str, Any], bucket: Bucket) -> bool:
    return bool(record) and record["settings"].get("output") == bucket.url


def _name(run: Run) -> str:
    """What tells the run from others; nobody learns from it where the run folder is."""
    return hashlib.sha256(str(run.folder).encode()).hexdigest()[:16]
