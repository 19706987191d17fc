"""What a run folder says about its last attempt: who makes it, how it ended, what failed, what its logs say.

Only files and the list of processes are read, so it can be asked while the run is at work, on any host.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.results.attempts import Owner, is_alive, last_heartbeat_s, read_attempts, read_owner
from pipeline.results.attempts.owner import HEARTBEAT_EVERY_S
from pipeline.results.log_lines import lines_of, tail
from pipeline.results.unreadable import ABSENT, reading
from pipeline.run_folder import Run
from workflows.watching.long_tasks import duration

LINES_SHOWN = 3


@dataclass(frozen=True)
class LastAttempt:
    """The newest attempt on a run folder."""

    owner: Owner
    alive: bool
    exit: int | str | None
    """Its exit code, or `interrupted`; None while it is at work, and where it died."""
    why: str
    """What there is to say to that; empty where there is nothing."""
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
            ahead_s = 0.0 if self.owner.is_local else self.heard_of - time.time()
            doubt = f"; heard of {duration(ahead_s)} after the time of this machine: it may have died since"
            return f"at work for {since}" + (doubt if ahead_s > HEARTBEAT_EVERY_S else "")
        if self.exit is None:
            return f"died without a word; last heard of {since} ago"
        how = "interrupted" if self.exit == "interrupted" else f"ended with exit code {self.exit}"
        return f"{how} {since} ago" + (f": {self.why}" if self.why else "")


def last_attempt(folder: Path) -> LastAttempt | None:
    """The newest attempt on a run folder, if there was one. Raises Unreadable."""
    owner = read_owner(folder)
    if owner is None:
        return None
    ends = {
        attempt["attempt"]: (attempt["exit"], attempt.get("why", "")) for attempt in read_attempts(folder)
    }
    exit_, why = ends.get(owner.attempt, (None, ""))
    return LastAttempt(owner, is_alive(folder, owner), exit_, why, last_heartbeat_s(folder))


def read_failures(run: Run, since: float) -> list[dict[str, Any]]:
    """The failures of tasks after `since`, seconds since 1970: those not tried again first, newest first.

    Raises Unreadable.
    """
    failures = [line for line in lines_of(run.failures_log) if line.get("time", 0) >= since]
    return sorted(failures, key=lambda failure: (failure["tried_again"], -failure["time"]))


def ends_of_logs(run: Run, since: float) -> list[tuple[Path, list[str]]]:
    """The last lines of what a worker logged last, and what Parsl has warned of; none from before `since`.

    Raises Unreadable.
    """
    logs = run.logs_folder
    workers = [*logs.glob("training/rank_*.log"), run.training_log, *logs.glob("tiles/**/*.jsonl")]
    parsl = _newest(list(logs.glob("parsl/**/parsl.log")), since)
    ends = [(log, tail(log)) for log in (_newest(workers, since),) if log]
    if parsl:
        ends.append((parsl, [line for line in tail(parsl) if " WARNING: " in line or " ERROR: " in line]))
    return [(log, lines[-LINES_SHOWN:]) for log, lines in ends if lines]


def _newest(logs: list[Path], since: float) -> Path | None:
    """The log that was written to last, if that was after `since`; empty ones do not count."""
    times = {}
    for log in logs:
        with suppress(*ABSENT), reading(log):
            status = log.stat()
            if status.st_size and status.st_mtime >= since:
                times[log] = status.st_mtime
    return max(times, key=times.__getitem__, default=None)
