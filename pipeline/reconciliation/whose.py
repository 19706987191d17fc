"""Whose a volume in a bucket is: what others have there is neither written over nor removed."""

from __future__ import annotations

import hashlib
import json
import re

from pipeline.errors import InputError
from pipeline.results.bucket import Bucket
from pipeline.results.records import Missing, read
from pipeline.run_folder import Run

REMOTE = re.compile(r"precomputed://(gs|s3|https?)://")
"""Addresses of images that others can know; a path is this machine's alone."""

VOLUME = "volume.json"
"""The list of what describes the volume."""

PROVENANCE = "provenance"
"""The object beside `info` in which CloudVolume and others say what a volume is made of."""


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


def refuse_foreign(run: Run, bucket: Bucket) -> None:
    """Raise InputError where the bucket's folder has something that this run has not put there.

    Its record says what is its own, or else the provenance: it may be killed before it has the record.
    """
    record = read(run.reconciliation_folder / VOLUME)
    if not isinstance(record, Missing) and record["settings"].get("output") == bucket.url:
        return
    said = bucket.get(PROVENANCE) or b""
    if f'"run": "{_name(run)}"'.encode() in said or bucket.is_empty():
        return
    raise InputError(
        f"data.output {bucket.url} holds objects that this run has not put there; expected an empty folder "
        "of a bucket: name another one, or delete what is in it"
    )


def _name(run: Run) -> str:
    """What tells the run from others; nobody learns from it where the run folder is."""
    return hashlib.sha256(str(run.folder).encode()).hexdigest()[:16]
