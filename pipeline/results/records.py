"""Completion records: the proof that a file is what a task would make, or why it is not.

Beside every artifact lies `<name>.done.json`, written by whoever made it: its recipe, size, SHA-256,
and when, where and how long. "The file exists" proves nothing; only a record does that is whole, is of
the very recipe that is asked for, and describes the file that is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Unreadable
from pipeline.machine.processor import processor
from pipeline.results.artifacts import (
    Artifact,
    Parts,
    Recipe,
    Target,
    file_sha256,
    install,
    remove,
    temporary_for,
)
from pipeline.results.bucket import Bucket
from pipeline.results.changes import told_changes
from pipeline.results.times import Touched
from pipeline.results.unreadable import ABSENT, is_there, read_if_there, reading

SEAL = b',\n "seal": "'
RECORD = ".done.json"
"""What the name of an artifact's record ends in."""

NEVER_DONE = "never done"
MOST_CHANGES_NAMED = 3


@dataclass(frozen=True)
class Missing:
    """The target's file can not be used; `why` says so in words, the same for all tasks it befell alike."""

    why: str
    is_damage: bool = False
    """Whether the file was made once, by this recipe or another, and is not there as it was."""
    refusal: Unreadable | None = None
    """Why it cannot be told, where something of it cannot be read: it may be whole, and is not made again."""


def make(
    target: Target,
    write: Callable[[Path], Recipe | None],
    environment: Mapping[str, str] | None = None,
) -> Artifact:
    """Return the target's artifact, calling `write(temporary_path)` only if it is not there already.

    Where the target's recipe leaves something open, `write` returns it as it came to be. `environment` is
    what of this machine and its packages decided the bytes; it is recorded, and is no part of the recipe.
    Raises InputError when the file system refuses (full, no permission); then nothing was replaced.
    """
    found = inspect(target)
    if isinstance(found, Artifact):
        return found
    started = time.time()
    record_file = record_path(target.path)
    with temporary_for(record_file) as note, temporary_for(target.path) as temporary:
        recipe = write(temporary) or target.recipe
        sha256 = file_sha256(temporary)
        record = {
            **vars(recipe),
            "fingerprint": recipe.fingerprint,
            "sha256": sha256,
            **_stamp(str(temporary)),
            "parts": _parts(temporary, target.parts),
            "started": started,
            "seconds": time.time() - started,
            "host": socket.gethostname(),
            "processor": processor(),
            "environment": dict(environment or {}),
        }
        note.write_bytes(sealed(record))
        install({temporary: target.path, note: record_file})
    return Artifact(str(target.path), sha256)


def inspect(
    target: Target, verify: bool = False, compare: bool = True, touched: list[Touched] | None = None
) -> Artifact | Missing:
    """The target's artifact if it is complete and made by this very recipe, else why it can not be used.

    A file counts as unchanged when its size and time of change are those recorded; where only the
    time differs, or always with `verify`, its SHA-256 decides; what is as recorded but for the time is added
    to `touched`. Without `compare` any recipe will do.
    Reads nothing else, changes nothing. Raises Unreadable where the file system keeps it from finding out.
    """
    record = read(target.path)
    if isinstance(record, Missing):
        return record
    if compare and record["fingerprint"] != target.recipe.fingerprint:
        return Missing(_difference(record, target.recipe))
    touched = [] if touched is None else touched
    damage = _damage(str(target.path), record, verify, touched)
    damage = damage or _damaged_part(target, record, verify, touched)
    return Missing(damage, is_damage=True) if damage else Artifact(str(target.path), record["sha256"])


def discard(target: Target) -> None:
    """Remove the record of a damaged artifact, so that nobody takes the file for whole on a cheaper look.

    Raises InputError when the file system refuses, and Superseded when a newer attempt has begun: the
    record is that attempt's by now.
    """
    remove(record_path(target.path))


def record_path(path: Path) -> Path:
    """Where the completion record of the artifact at `path` lies."""
    return Path(f"{path}{RECORD}")


def read(path: Path) -> dict[str, Any] | Missing:
    """The record of the artifact at `path`, or why there is none that is whole; the file is not looked at.

    Raises Unreadable.
    """
    text = read_if_there(f"{path}{RECORD}")
    if text is None:
        return Missing("record missing", is_damage=True) if is_there(path) else Missing(NEVER_DONE)
    record = unsealed(text)
    return Missing("record damaged", is_damage=True) if record is None else record


def sealed(record: Mapping[str, Any]) -> bytes:
    """The record as JSON, its last entry a SHA-256 of all before it: a damaged one gives itself away."""
    body = json.dumps(record, indent=1).encode().removesuffix(b"\n}")
    return body + SEAL + _seal(body)


def unsealed(text: bytes) -> dict[str, Any] | None:
    """What `sealed` was given, with its seal; None where it is damaged."""
    body, _, seal = text.rpartition(SEAL)
    return json.loads(text.decode()) if seal == _seal(body) else None


def _seal(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b'"\n}'


def _stamp(path: str) -> dict[str, int]:
    """What a file shows of itself without being read."""
    status = os.stat(path)
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _damage(path: str, recorded: Mapping[str, Any], verify: bool, touched: list[Touched]) -> str | None:
    """How the file differs from what was recorded of it, or None. Raises Unreadable."""
    try:
        with reading(path):
            found, recorded_ns = os.stat(path), recorded.get("mtime_ns")
            if found.st_size != recorded["size"]:
                return f"file torn: {found.st_size:,} bytes instead of {recorded['size']:,}"
            is_touched = found.st_mtime_ns != recorded_ns
            if (verify or is_touched) and file_sha256(Path(path)) != recorded["sha256"]:
                return "file damaged: its SHA-256 is not the recorded one"
            if is_touched and recorded_ns is not None:
                touched.append(Touched(path, found.st_ctime_ns, recorded_ns))
    except ABSENT:
        return "file missing"
    return None


def _damaged_part(
    target: Target, record: Mapping[str, Any], verify: bool, touched: list[Touched]
) -> str | None:
    """What is wrong with the first of the artifact's parts that is not as recorded, or None."""
    for name, recorded in record["parts"].items():
        if isinstance(target.parts, Bucket):
            damage = _damaged_object(target.parts, name, recorded, verify)
        else:
            damage = _damage(f"{target.parts}/{name}", recorded, verify, touched)
        if damage is not None:
            return damage
    return None


def _damaged_object(bucket: Bucket, name: str, recorded: Mapping[str, Any], verify: bool) -> str | None:
    """As `_damage`, of an object: what a file's time of change is, is its ETag here. Raises Unreadable."""
    found = bucket.look(name, recorded)
    if found is None:
        return f"object missing in {bucket}"
    if found["size"] != recorded["size"]:
        return f"object torn in {bucket}: {found['size']:,} bytes instead of {recorded['size']:,}"
    if verify or found["etag"] != recorded.get("etag"):
        content = bucket.get(name)
        if content is None or hashlib.sha256(content).hexdigest() != recorded["sha256"]:
            return f"object damaged in {bucket}: its SHA-256 is not the recorded one"
    return None


def _parts(listing: Path, folder: Parts | None) -> dict[str, dict[str, Any]]:
    """What is recorded of the files in `folder` that an artifact lists, by their names there."""
    if folder is None:
        return {}
    listed = json.loads(listing.read_bytes())
    if isinstance(folder, Bucket):
        return {name: {**of, **(folder.look(name) or {})} for name, of in listed.items()}
    return {name: {**of, **_stamp(f"{folder}/{name}")} for name, of in listed.items()}


def _difference(record: Mapping[str, Any], recipe: Recipe) -> str:
    """What changed between the recorded recipe and this one, the most telling first."""
    if (record["stage"], record["version"]) != (recipe.stage, recipe.version):
        return f"stage version changed: {record['stage']} {record['version']} -> {recipe.version}"
    others = told_changes(recipe.stage, record["settings"], _as_recorded(recipe.settings))
    if others:
        more = f" and {len(others) - MOST_CHANGES_NAMED} more" if len(others) > MOST_CHANGES_NAMED else ""
        return "settings changed: " + ", ".join(others[:MOST_CHANGES_NAMED]) + more
    inputs = sorted(
        name
        for name in {*record["inputs"], *recipe.inputs}
        if record["inputs"].get(name) != recipe.inputs.get(name)
    )
    return f"input changed: {', '.join(inputs)}"


def is_so_made(record: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a record is of this recipe, or of an earlier version of its stage from the same inputs: of the
    settings only those that both know can differ then.
    """
    if record["version"] == recipe.version:
        return bool(record["fingerprint"] == recipe.fingerprint)
    is_alike = record["stage"] == recipe.stage and record["inputs"] == recipe.inputs
    return is_alike and _agree(record["settings"], _as_recorded(recipe.settings))


def _agree(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return all(_agree(old[key], new[key]) for key in old.keys() & new.keys())
    return bool(old == new)


def _as_recorded(settings: Mapping[str, Any]) -> Any:
    """As JSON has it: a record knows no tuples."""
    return json.loads(json.dumps(settings))
