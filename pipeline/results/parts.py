"""The files that an artifact only lists: put and looked at alike, be they in a folder or in a bucket."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.results.artifacts import Parts, publishing, remove
from pipeline.results.bucket import Bucket
from pipeline.results.unreadable import is_there, names_in, read_if_there


def put(folder: Parts, name: str, content: bytes) -> dict[str, Any]:
    """Publish a part, whole or not at all; what the artifact's list says of it.

    Raises InputError, and Superseded when a newer attempt on the run folder has begun.
    """
    if isinstance(folder, Bucket):
        folder.put(name, content)
    else:
        with publishing(folder / name) as temporary:
            temporary.write_bytes(content)
    return listed_as(content)


def listed_as(content: bytes) -> dict[str, Any]:
    """What the list of an artifact's parts says of one of these bytes."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def read_part(folder: Parts, name: str) -> bytes | None:
    """The bytes of a part; None where there is none. Raises Unreadable."""
    return folder.get(name) if isinstance(folder, Bucket) else read_if_there(folder / name)


def has_part(folder: Parts, name: str) -> bool:
    """Whether there is a part of this name. Raises Unreadable."""
    return folder.look(name) is not None if isinstance(folder, Bucket) else is_there(Path(folder / name))


def clear(folder: Parts) -> None:
    """Remove all that is in the folder, `info` first: without it nothing of them is taken for a volume.

    The folder itself stays: where it is a link, the volume stays where that leads. Raises as `put` does.
    """
    if isinstance(folder, Bucket):
        folder.clear()
        return
    for name in sorted(names_in(folder), key=lambda name: (name != "info", name)):
        remove(folder / name)
