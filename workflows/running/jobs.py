"""The blocks of workers that a run asked its batch system for: kept in `logs/jobs.json`, and cancelled.

A driver that dies can leave jobs in the queue. Their ids are written down, so that status can name them;
the next attempt cancels them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from parsl.config import Config
from parsl.executors.base import ParslExecutor
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import TERMINAL_STATES, JobState

from pipeline.errors import InputError, Superseded
from pipeline.results.artifacts import publishing
from pipeline.results.attempts import fence
from pipeline.results.unreadable import read_if_there
from pipeline.run_folder import Run

if TYPE_CHECKING:
    from parsl.dataflow.dflow import DataFlowKernel

LOCAL = "local"
"""What Parsl's LocalProvider calls itself."""


@runtime_checkable
class Scheduler(Protocol):
    """A provider of ours, of a batch system."""

    label: str

    def delete_leftovers(self, names: Collection[str]) -> list[str]:
        """Delete the user's jobs of these names; returns their ids."""


@dataclass(frozen=True)
class Job:
    """A block of workers, and its job at the provider: a batch system, or this machine (`local`)."""

    block: str
    job_id: str
    state: str
    """The name of a parsl.jobs.states.JobState, as last seen."""
    provider: str
    why: str | None = None
    """What the batch system, or what it said last, tells of that state."""

    @property
    def is_over(self) -> bool:
        return JobState[self.state] in TERMINAL_STATES


class JobLog:
    """Keeps a run's `logs/jobs.json` as the blocks of its executors are."""

    def __init__(self, run: Run) -> None:
        self._path = run.jobs_log
        self._written: dict[str, list[Job]] | None = None

    def update(self, kernel: DataFlowKernel) -> None:
        """Write the file if a block has come, gone or changed."""
        jobs = {label: _jobs(executor) for label, executor in kernel.executors.items()}
        jobs = {label: found for label, found in jobs.items() if found}
        if jobs == self._written:
            return
        # A disk that is full now may have room when this is called again. Of a newer attempt others tell.
        with suppress(InputError, Superseded):
            with publishing(self._path) as temporary:
                document = {label: [asdict(job) for job in found] for label, found in jobs.items()}
                temporary.write_text(json.dumps(document, indent=1))
            self._written = jobs


def in_queue(kernel: DataFlowKernel) -> dict[str, str]:
    """By executor label, the batch jobs for which it waits, if it has no running one: often very many."""
    waiting = {}
    for label, executor in kernel.executors.items():
        jobs = [job for job in _jobs(executor) if not job.is_over and job.provider != LOCAL]
        if jobs and not any(job.state == JobState.RUNNING.name for job in jobs):
            alike: dict[str, list[str]] = {}
            for job in jobs:
                what = job.state.lower() + (f" ({job.why})" if job.why else "")
                alike.setdefault(what, []).append(job.job_id)
            waiting[label] = ", ".join(
                f"{jobs[0].provider} job {ids[0]}"
                + (f" and {len(ids) - 1:,} more are {what}" if len(ids) > 1 else f" is {what}")
                for what, ids in alike.items()
            )
    return waiting


def read_jobs(run: Run) -> dict[str, list[Job]]:
    """By executor label, the jobs of the attempt that wrote last; none where there are none, or a torn file.

    Raises Unreadable.
    """
    text = read_if_there(run.jobs_log) or b"{}"
    try:
        document = json.loads(text)
        return {label: [Job(**job) for job in jobs] for label, jobs in document.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def leftover_jobs(run: Run) -> dict[str, list[Job]]:
    """By executor label, the last attempt's batch jobs that were not over when its driver last looked.

    Blocks on this machine are not among them: they are processes, which are found and ended as such.
    """
    left = {
        label: [job for job in jobs if not job.is_over and job.provider != LOCAL]
        for label, jobs in read_jobs(run).items()
    }
    return {label: jobs for label, jobs in left.items() if jobs}


def cancel_leftovers(run: Run, config: Config, say: Callable[[str], object]) -> None:
    """Cancel the jobs that older attempts left in the queue; `say` is told of each.

    A job is known by its name, that of its script: also one whose driver died before it had its id.
    Raises Superseded when a newer attempt has begun: the names would be those of its jobs too.
    """
    schedulers = [
        s for s in (getattr(e, "provider", None) for e in config.executors) if isinstance(s, Scheduler)
    ]
    for job in [job for jobs in leftover_jobs(run).values() for job in jobs]:
        if job.provider not in {scheduler.label for scheduler in schedulers}:
            say(f"an older attempt may have left {job.provider} job {job.job_id}: this site cannot cancel it")
    # some scripts are named exactly as their job, others have a suffix
    with fence():
        files = run.logs_folder.glob("parsl/**/submit_scripts/*")
        names = {name for file in files for name in (file.name, file.stem)}
    for scheduler in schedulers[:1] if names else ():
        try:
            for job_id in scheduler.delete_leftovers(names):
                say(f"cancelled {scheduler.label} job {job_id}, left by an older attempt")
        except Exception as error:  # whatever a batch system's commands may end in; the run can do without
            say(f"could not cancel what older attempts may have left in the queue: {error}")


def _jobs(executor: ParslExecutor) -> list[Job]:
    """The blocks of an executor, in the order in which they were asked for."""
    if not isinstance(executor, BlockProviderExecutor) or executor.provider is None:
        return []
    states = dict(executor.status_facade)  # copies: another thread changes both
    jobs = dict(executor.blocks_to_job_id)
    return [
        Job(block, str(job_id), states[block].state.name, executor.provider.label, states[block].message)
        for block, job_id in jobs.items()
        if block in states
    ]
