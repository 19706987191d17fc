"""Attempts: every start of the pipeline on a run folder, one at a time, each with a number of its own.

An attempt owns the folder while its driver lives. Its number is a fencing token: what an older attempt
still has at work somewhere can no longer publish anything.
"""

from pipeline.results.attempts.attempt import Attempt, begin
from pipeline.results.attempts.fencing import fence
from pipeline.results.attempts.leftovers import RunProcess, end_processes, processes_of
from pipeline.results.attempts.owner import Owner, is_alive, last_heartbeat_s, read_owner
from pipeline.results.attempts.provenance import INTERRUPTED, read_attempts

__all__ = [
    "INTERRUPTED",
    "Attempt",
    "Owner",
    "RunProcess",
    "begin",
    "end_processes",
    "fence",
    "is_alive",
    "last_heartbeat_s",
    "processes_of",
    "read_attempts",
    "read_owner",
]
