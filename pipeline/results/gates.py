"""Gates: what a run has for a person to judge, what they said of it, and whether that holds now.

In `gates/` of the run folder lie, for each gate, `STAGE.json`, what was judged or waits to be, and
`STAGE.decision.json`, the last word on it; `decisions.jsonl` keeps every word.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.machine.user import user_name
from pipeline.results.artifacts import Artifact, combined, publishing
from pipeline.results.attempts.owner import now
from pipeline.results.log_lines import lines_of
from pipeline.results.unreadable import read_if_there

APPROVED, REJECTED, PASSED = "approved", "rejected", "passed by --yes"
AT_A_GATE = 3
"""Exit code of a run that waits for a person's word."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Judged:
    """The result of a stage: one identity, and the SHA-256 of each file by its name in the run folder."""

    stage: str
    identity: str
    files: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path, stage: str, made: Sequence[Artifact]) -> Judged:
        """Of all that a stage has made."""
        return cls(stage, combined(made), {os.path.relpath(a.path, folder): a.sha256 for a in made})


@dataclass(frozen=True)
class Gate:
    """Whether what depends on a stage may run, and why, in words."""

    stage: str
    is_open: bool
    says: str


def judged_file(folder: Path, stage: str) -> Path:
    """What a stage has for a person to judge."""
    return folder / "gates" / f"{stage.replace(' ', '_')}.json"


def decision_file(folder: Path, stage: str) -> Path:
    """The last word on a stage."""
    return folder / "gates" / f"{stage.replace(' ', '_')}.decision.json"


def decisions_file(folder: Path) -> Path:
    """One JSON object a line: every word on every stage."""
    return folder / "gates" / "decisions.jsonl"


def write_judged(folder: Path, judged: Judged, look_at: Sequence[str]) -> None:
    """Say what waits for a person, and where to look. Raises InputError."""
    said = {**asdict(judged), "since": now(), "look_at": list(look_at)}
    with publishing(judged_file(folder, judged.stage)) as temporary:
        temporary.write_text(json.dumps(said, indent=1) + "\n")


def read_judged(folder: Path, stage: str) -> Judged:
    """What a stage has for a person to judge. Raises InputError where it has nothing yet."""
    found = _read(judged_file(folder, stage))
    if found is None:
        there = sorted(
            path.stem for path in (folder / "gates").glob("*.json") if ".decision" not in path.name
        )
        raise InputError(
            f"{folder} has nothing of stage {stage!r} to judge; expected "
            f"{'one of ' + ', '.join(there) if there else 'a run that has come to a gate'}: set gates to "
            f"[{stage}] and give the run's command"
        )
    return Judged(found["stage"], found["identity"], found["files"])


def decide(folder: Path, judged: Judged, decision: str, by: str | None = None, why: str = "") -> None:
    """Keep a person's word on what a stage has made: who, when and why. Raises InputError."""
    word = {
        "stage": judged.stage,
        "decision": decision,
        "by": by or user_name(),
        "user": user_name(),
        "host": socket.gethostname(),
        "time": now(),
        "why": why,
        "identity": judged.identity,
    }
    with publishing(decision_file(folder, judged.stage)) as temporary:
        temporary.write_text(json.dumps({**word, "files": dict(judged.files)}, indent=1) + "\n")
    try:
        with open(decisions_file(folder), "a") as file:
            file.write(json.dumps(word) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {decisions_file(folder)}: {error.strerror}") from error


def gate_of(folder: Path, judged: Judged) -> Gate:
    """Whether the last word on a stage lets pass what it has made now. Raises Unreadable."""
    word = _read(decision_file(folder, judged.stage))
    if word is None:
        return Gate(judged.stage, False, "waits for a person's word")
    said = describe(word)
    # the identity is the same when files have changed places
    if word["identity"] != judged.identity or word["files"] != dict(judged.files):
        return Gate(judged.stage, False, f"closed again, {said}: {_changes(word['files'], judged.files)}")
    return Gate(judged.stage, word["decision"] != REJECTED, said)


def describe(word: Mapping[str, Any]) -> str:
    """`approved by ann at 2026-11-26T15:00:00+00:00: looks right`."""
    return f"{word['decision']} by {word['by']} at {word['time']}" + (
        f": {word['why']}" if word["why"] else ""
    )


def words(folder: Path) -> list[dict[str, Any]]:
    """Every word that people, or --yes, have said at the gates of a run, oldest first. Raises Unreadable."""
    return list(lines_of(decisions_file(folder)))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    other = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    named = ", ".join(other[:MOST_NAMED]) + (" and others" if len(other) > MOST_NAMED else "")
    return f"since then {len(other):,} of its files are others ({named})"


def _read(path: Path) -> dict[str, Any] | None:
    text = read_if_there(path)
    if text is None:
        return None
    try:
        found = json.loads(text)
        return {**found, "files": dict(found["files"]), "identity": str(found["identity"])}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged: remove it, and give the run's command again") from None
