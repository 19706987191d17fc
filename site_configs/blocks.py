"""Blocks: the jobs in which workers run, when they end, and when it is no use to start another."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from parsl.executors import HighThroughputExecutor
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import JobState, JobStatus

from pipeline.config import Site
from site_configs.last_words import cause
from site_configs.providers.batch import BatchProvider

MOST_BARREN_BLOCKS = 3

logger = logging.getLogger(__name__)


def drain_period_s(site: Site) -> int | None:
    """Seconds after which a block takes no new tile, so that it ends none of them by ending itself."""
    return None if site.walltime_s is None else max(1, site.walltime_s - site.tile_time_s)


class BarrenBlocksError(Exception):
    """Block after block ended before a worker of it could work; the message quotes the last one's job."""


def give_up_on_barren_blocks(
    told: set[str], executor: BlockProviderExecutor, status: Mapping[str, JobStatus]
) -> None:
    """Parsl's block error handler: a block that worked and was lost is replaced, however often.

    When the last three blocks ended without a single worker and none works elsewhere, something is wrong with
    what they start: the executor's tasks fail with the job's own words, and its other blocks are cancelled,
    which Parsl would leave in the queue. While others work it is a warning, which `told` keeps: of each block
    it is given once, and later ones avoid the one node of all three, where the batch system can be told so.
    """
    if executor.bad_state_is_set:  # its tasks have failed, and cannot once more
        return
    barren = sum(_ended_by_itself(one) for one in status.values())
    if barren < MOST_BARREN_BLOCKS or not isinstance(executor, HighThroughputExecutor):
        return
    connected = set(executor.connected_blocks())
    # one that worked and was given back tells that all is well, as one does that was lost
    told_by = {b for b, one in status.items() if one.terminal and (b in connected or _ended_by_itself(one))}
    last = sorted(told_by, key=int)[-MOST_BARREN_BLOCKS:]
    if connected & {*last}:
        return
    said = (
        f"the last {MOST_BARREN_BLOCKS} blocks of executor {executor.label!r} ended before a worker "
        f"came up: {_last_words(status[last[-1]])}"
    )
    # beside others that work it may be one bad node, on which job after job starts because it is free
    if any(not status[block].terminal for block in connected & status.keys()):
        if told.isdisjoint(last):
            told.update(last)
            avoided = _avoid_their_node(executor, last)
            logger.warning("%s; others work%s", said, avoided and f", and later ones avoid {avoided}")
        return
    executor.set_bad_state_and_fail_all(BarrenBlocksError(said))
    executor.scale_in_facade(len(status))


def _avoid_their_node(executor: HighThroughputExecutor, blocks: Sequence[str]) -> str:
    """The node on which all of these blocks ended, if later ones can be, and are, kept away from it."""
    provider, jobs = executor.provider, executor.blocks_to_job_id
    if not isinstance(provider, BatchProvider) or not jobs.keys() >= {*blocks}:
        return ""
    return provider.avoid([jobs[block] for block in blocks])


def _ended_by_itself(status: JobStatus) -> bool:
    """Not cancelled by somebody, nor given back: a long queue may start one of many, and that be enough."""
    return status.terminal and status.state not in (JobState.CANCELLED, JobState.SCALED_IN)


def _last_words(status: JobStatus) -> str:
    """The cause of a job's end by what it printed; if that is nothing, by the provider's own words."""
    told = cause(*(_read(path) for path in (status.stderr_path, status.stdout_path)))
    if told:
        return told
    # Parsl appends what a submission returned, which ours never know
    reason = (status.message or status.status_name).partition("; recode=None")[0]
    return reason if status.exit_code is None else f"nothing (exit code {status.exit_code}, {reason})"


def _read(path: str | None) -> str:
    try:
        return Path(path or "").read_text(errors="replace")
    except OSError:
        return ""
