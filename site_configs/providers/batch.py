"""What Cobalt, PBS Pro and Slurm need alike: submit once and only once, and never mistake silence for an end.

A scheduler may be slow, may fail, and may queue a job while its command reports an error. So every
submission has a name of its own, and before a job is submitted again it is looked for by that name.
While the scheduler does not answer, every job keeps the state it was last seen in.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from abc import abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path

from parsl.jobs.states import JobState, JobStatus
from parsl.providers.cluster_provider import ClusterProvider
from parsl.providers.errors import SubmitException

from site_configs.providers.scheduler import Answer, ErrorAnswerError, NoAnswerError, QueuedJob, ask

FULL = re.compile(
    r"per-(user|group|project) limit|limit of jobs|number of jobs\b.* already in|jobs per user|"
    r"SubmitJobs?(\w*Limit|PerAccount)",
    re.I,
)
"""How a scheduler says that a queue takes no more jobs of this user for now, as debug queues often do.
OpenPBS by its pbs_messages.c (2026-11), Slurm by reasons such as QOSMaxSubmitJobPerUserLimit."""

BUSY = re.compile(r"Unable to contact|Socket timed out|temporarily unable|cannot connect to server", re.I)
"""How Slurm's and PBS's commands say that nobody answered: the job may come to be queued all the same."""

logger = logging.getLogger(__name__)


class BatchProvider(ClusterProvider):
    """Submission, status and cancellation; a subclass says how its scheduler is asked.

    Ids that `submit` returns are the scheduler's own. Only where a submission got no answer is it the
    job's name; `status` then finds out whether the job is queued, and submits it again if it is not.
    """

    attempts = 3
    """How often a refused submission, or a cancellation without answer, is tried."""
    retry_pause_s = 5.0
    absences_allowed = 3
    """That many answers in a row without the job make it gone."""
    delete_command = "qdel"
    poll_s: int
    cores_per_node: int | None = None
    mem_per_node: float | None = None
    worker_init: str
    resources: dict[object, QueuedJob]

    @abstractmethod
    def submit_script(self, command: str, tasks_per_node: int = 1, job_name: str = "ffn") -> str:
        """The text of the script that `submit` submits, without submitting it."""

    @abstractmethod
    def submit_command(self, job: QueuedJob) -> list[str]:
        """The command that submits a job whose script is written."""

    @abstractmethod
    def _id_printed(self, stdout: str) -> str | None:
        """The id in what the submit command printed."""

    @abstractmethod
    def _ids_of(self, job: QueuedJob, *, also_ended: bool) -> list[str]:
        """Ids of all jobs of this name, oldest first. Raises NoAnswerError."""

    @abstractmethod
    def _names(self) -> dict[str, str]:
        """The name of each of the user's jobs that are not over, by its id. Raises NoAnswerError."""

    @abstractmethod
    def _observe(self, jobs: Sequence[QueuedJob]) -> None:
        """Bring jobs that have an id up to date, as far as the scheduler answers. Raises NoAnswerError."""

    @abstractmethod
    def _is_gone(self, answer: Answer) -> bool:
        """Whether a failed deletion says that there is nothing left to delete."""

    def avoid(self, job_ids: Collection[object]) -> str:
        """Let no more jobs start on the node on which all of these ended. Returns its name; empty where that
        is none, or where this scheduler cannot be asked for it."""
        return ""

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two calls of `status`."""
        return self.poll_s

    @property
    def max_blocks(self) -> int:
        """How many blocks may be queued or running beside those that are held.

        Parsl's strategy counts a held block as none and would submit another one at every look; so each
        held one takes a place here.
        """
        held = sum(job.state is JobState.HELD for job in self.resources.values())
        return max(0, self._max_blocks - held)

    @max_blocks.setter
    def max_blocks(self, blocks: int) -> None:
        self._max_blocks = blocks

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> str:
        """Queue a block and return the key by which `status` and `cancel` know it.

        Raises SubmitException with the scheduler's own words if it refuses.
        """
        assert self.script_dir, "Parsl sets script_dir before it submits"
        job = QueuedJob(f"{job_name}.{uuid.uuid4().hex[:8]}", Path(self.script_dir).resolve())
        job.script.write_text(self.submit_script(command, tasks_per_node, job.name))
        job.script.chmod(0o755)  # Cobalt runs it as it is
        refusal = None
        for attempt in range(self.attempts):
            time.sleep(self.retry_pause_s if attempt else 0)
            refusal = self._try_to_submit(job)
            if refusal is None:
                break
        else:
            raise SubmitException(job.name, f"{refusal}")
        key = job.id or job.name
        self.resources[key] = job
        return key

    def _try_to_submit(self, job: QueuedJob) -> Answer | None:
        """Submit a job unless it is found in the queue. Returns the refusal if there is a certain one."""
        answer = None
        try:
            if job.submissions:
                self._look_for(job)
            if job.id is None:
                job.submissions += 1
                answer = ask(self.submit_command(job), self.cmd_timeout)
                job.id = self._id_printed(answer.stdout) if answer.returncode == 0 else None
            if job.id is None or job.submissions > 1:  # whatever it says, it may be queued, even twice
                self._look_for(job)
        except FileNotFoundError as error:
            raise SubmitException(job.name, f"command not found: {error.filename}") from error
        except NoAnswerError as error:
            job.message = f"not answered yet: {error}"
            logger.warning("submission of %s: %s; it is looked for later", job.name, error)
            return None
        if job.id is not None or answer is None or answer.returncode == 0:
            return None
        job.is_put_off = bool(FULL.search(f"{answer}"))
        if job.is_put_off or BUSY.search(f"{answer}"):
            job.message = f"not taken yet: {' '.join(f'{answer}'.split())}"
            logger.warning("submission of %s: %s; it is tried again later", job.name, answer)
            return None
        return answer

    def _look_for(self, job: QueuedJob) -> None:
        """Give the job its id if there is one of its name. Raises NoAnswerError."""
        ids = self._ids_of(job, also_ended=True)
        if ids:
            job.id = ids[0]
        for double in ids[1:]:
            logger.warning("%s was queued twice, as %s and %s: deleting the second", job.name, job.id, double)
            self._delete(double)

    def status(self, job_ids: Sequence[object]) -> list[JobStatus]:
        """States by the keys that `submit` returned; where the scheduler does not answer, the last known."""
        jobs = [self.resources[key] for key in job_ids]
        try:
            for job in jobs:
                if job.id is None:
                    self._settle(job)
                    if job.is_put_off:
                        break  # nor would it take the others, of which there may be a hundred
            self._observe([job for job in jobs if job.id is not None and not job.ended])
        except NoAnswerError as error:
            self._keep_states(error)
        return [job.status() for job in jobs]

    def _settle(self, job: QueuedJob) -> None:
        """Find out what became of a submission without answer; submit again what was not queued.

        Raises NoAnswerError.
        """
        if job.state is JobState.CANCELLED and job.absences < self.absences_allowed:
            for job_id in self._ids_of(job, also_ended=False):
                self._delete(job_id)
            job.absences += 1
        if job.ended:
            return
        if not job.is_put_off:
            self._look_for(job)
            if job.id is not None:
                return
            job.absences += 1  # the request may still be under way, so one look is not enough
        if job.is_put_off or job.absences >= self.absences_allowed:
            job.absences, job.is_put_off = 0, False
            refusal = self._try_to_submit(job)
            if refusal:
                job.end(JobState.FAILED, str(refusal))

    def _keep_states(self, error: NoAnswerError) -> None:
        """The scheduler has not answered: what was last known stands."""
        logger.warning("%s: states are kept as last seen: %s", self.label, error)

    def _absent(self, job: QueuedJob) -> None:
        """The scheduler has answered and does not know the job, and no trace tells how it ended."""
        job.absences += 1
        if job.absences >= self.absences_allowed:
            job.end(JobState.MISSING, f"job {job.id} has gone from the queue and left no exit code")

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        """Delete jobs from the queue. True where the job is over, also if it was before."""
        jobs = [self.resources[key] for key in job_ids]
        for attempt in range(self.attempts):
            time.sleep(self.retry_pause_s if attempt else 0)
            try:
                self._cancel_at_once([job for job in jobs if job.id is not None and not job.ended])
                for job in jobs:
                    if not job.ended:
                        self._cancel(job)
            except NoAnswerError as error:
                logger.warning("%s: not all jobs are cancelled: %s", self.label, error)
            if all(job.ended for job in jobs):
                break
        return [job.ended for job in jobs]

    def _cancel_at_once(self, jobs: Sequence[QueuedJob]) -> None:
        if self._delete_at_once([f"{job.id}" for job in jobs]):
            for job in jobs:
                job.end(JobState.CANCELLED)

    def _delete_at_once(self, job_ids: Sequence[str]) -> bool:
        """Delete jobs by one command, if it says that all went well: a hundred take long one by one."""
        return len(job_ids) > 1 and ask([self.delete_command, *job_ids], self.cmd_timeout).returncode == 0

    def _cancel(self, job: QueuedJob) -> None:
        # What a full queue has refused is nowhere, and there may be a hundred of these. Another that is not
        # there may still come: `status` watches for it.
        absences = self.absences_allowed if job.is_put_off else 0
        try:
            if job.id is None and not job.is_put_off:
                self._look_for(job)
            if job.id is not None:
                self._delete(job.id)
        except ErrorAnswerError as error:
            logger.warning("%s is not cancelled: %s", job.name, error)
        else:
            job.absences = absences
            job.end(JobState.CANCELLED)

    def _delete(self, job_id: str) -> None:
        """Delete a job, if it is still there. Raises NoAnswerError."""
        answer = ask([self.delete_command, job_id], self.cmd_timeout)
        if answer.returncode != 0 and not self._is_gone(answer):
            raise ErrorAnswerError(f"{self.delete_command} {job_id}: {answer}")

    def delete_leftovers(self, names: Collection[str]) -> list[str]:
        """Delete the jobs of these names, which a driver that was killed left in the queue; returns ids.

        Raises NoAnswerError.
        """
        left = [job_id for job_id, name in self._names().items() if name in names]
        if not self._delete_at_once(left):
            for job_id in left:
                self._delete(job_id)
        return left

    def _status(self) -> None:
        """Parsl's own way to ask for everything at once; `status` takes its place."""
        self._observe([job for job in self.resources.values() if job.id is not None and not job.ended])
