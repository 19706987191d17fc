"""What a run folder says about its last attempt: who makes it, how it ended, what failed, what its logs say.

Only files and the list of processes are read, so it can be asked while the run is at work, on any host.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.results.attempts import Owner, is_alive, last_heartbeat_s, read_attempts, read_owner
from pipeline.run_folder import Run
from workflows.watching.long_tasks import duration

LINES_SHOWN = 3
TAIL_BYTES = 200_000


@dataclass(frozen=True)
class LastAttempt:
    """The newest attempt on a run folder."""

    owner: Owner
    alive: bool
    exit: int | str | None
    """Its exit code, or `interrupted`; None while it is at work, and where it died."""
    heard_of: float
    """When, in seconds since 1970."""

    @property
    def began(self) -> float:
        """When, in seconds since 1970."""
        return datetime.fromisoformat(self.owner.started).timestamp()

    @property
    def state(self) -> str:
        """In words, with how long it has been so."""
        since = duration(time.time() - (self.began if self.alive else self.heard_of))
        if self.alive:
            return f"at work for {since}"
        if self.exit is None:
            return f"died without a word; last heard of {since} ago"
        how = "interrupted" if self.exit == "interrupted" else f"ended with exit code {self.exit}"
        return f"{how} {since} ago"


def last_attempt(folder: Path) -> LastAttempt | None:
    """The newest attempt on a run folder, if there was one."""
    owner = read_owner(folder)
    if owner is None:
        return None
    exits = {attempt["attempt"]: attempt["exit"] for attempt in read_attempts(folder)}
    return LastAttempt(owner, is_alive(folder, owner), exits.get(owner.attempt), last_heartbeat_s(folder))


def read_failures(run: Run, since: float) -> list[dict[str, Any]]:
    """The failures of tasks after `since`, seconds since 1970: those not tried again first, newest first."""
    failures = []
    for line in _tail(run.failures_log):
        try:
            failure = json.loads(line)
            if failure["time"] >= since:
                failures.append(failure)
        except (ValueError, KeyError, TypeError):
            continue  # torn
    return sorted(failures, key=lambda failure: (failure["tried_again"], -failure["time"]))


def ends_of_logs(run: Run, since: float) -> list[tuple[Path, list[str]]]:
    """The last lines of what a worker logged last, and what Parsl has warned of; none from before `since`."""
    logs = run.logs_folder
    workers = [*logs.glob("training/rank_*.log"), run.training_log, *logs.glob("tiles/*.jsonl")]
    parsl = _newest(list(logs.glob("parsl/**/parsl.log")), since)
    ends = [(log, _tail(log)) for log in (_newest(workers, since),) if log]
    if parsl:
        ends.append((parsl, [line for line in _tail(parsl) if " WARNING: " in line or " ERROR: " in line]))
    return [(log, lines[-LINES_SHOWN:]) for log, lines in ends if lines]


def _newest(logs: list[Path], since: float) -> Path | None:
    """The log that was written to last, if that was after `since`; empty ones do not count."""
    times = {}
    for log in logs:
        with suppress(FileNotFoundError):
            status = log.stat()
            if status.st_size and status.st_mtime >= since:
                times[log] = status.st_mtime
    return max(times, key=times.__getitem__, default=None)


def _tail(path: Path) -> list[str]:
    """The last whole lines that are not blank."""
    try:
        with open(path, "rb") as file:
            start = max(0, path.stat().st_size - TAIL_BYTES)
            file.seek(start)
            text = file.read()
    except FileNotFoundError:
        return []
    if start:
        text = text.partition(b"\n")[2]
    return [line.rstrip() for line in text.decode(errors="replace").splitlines() if line.strip()]
