"""Chains: what an attempt hands to Parsl, stage by stage, and what it says when all of that has ended."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.errors import InputError
from pipeline.results.finished import Finished
from pipeline.run_folder import Run
from workflows.output import KeepingConsole

if TYPE_CHECKING:  # Parsl takes a second to import
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer

    from site_configs.executors import RetryHandler
    from workflows.planning.earlier import OfNow
    from workflows.running.gates import Gates
    from workflows.stage import Stage


class Chain(Protocol):
    """Tasks that wait for each other, on a site."""

    @property
    def run(self) -> Run:
        """The run whose folder the attempt owns."""

    def parsl_config(self, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
        """Where the tasks run."""

    def build(self) -> list[Stage[Any]]:
        """Submit every task to the Parsl that is loaded; returns the stages in order."""

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        """Say what came of the tasks, all of which have ended, well or not."""


@dataclass
class Pipeline:
    """The chain of a resolved run, from its input to its report."""

    run: Run
    verify: bool = False
    """Whether every finished file is read before it counts."""
    passes_gates: bool = False
    """Whether every gate is open, whatever people have said."""
    finished: Finished | None = None
    """What was found of it before this attempt."""
    gates: Gates | None = None
    """Those of this attempt, once it is under way."""
    of_now: OfNow | None = None
    """Which results are of the run as it is, where it has stopped at one of them."""

    def parsl_config(self, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
        from site_configs import parsl_config

        return parsl_config(self.run, memoizer, retry_handler)

    def build(self) -> list[Stage[Any]]:
        from workflows.planning.calls import group_records
        from workflows.running.gates import Gates
        from workflows.running.submission import Submission
        from workflows.running.summing_up import SummingUp
        from workflows.stage import call, call_by_name
        from workflows.stages import build

        if self.run.config.gates and self.run.only is None:
            self.gates = Gates(self.run, self.passes_gates)
        how = call_by_name if self.run.config.site.monitoring else call
        known = self.finished or Finished()
        summing_up = SummingUp(group_records(self.run), known) if self.run.only is None else None
        submission = Submission(how, self.verify, gates=self.gates, known=known, summing_up=summing_up)
        stages = build(self.run, submission.submit)
        if summing_up is not None:
            summing_up.end()
        return stages

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        from workflows.planning.earlier import told_of_now
        from workflows.planning.rates import measure, write_rates
        from workflows.running.gates import failed_stages, print_gates
        from workflows.running.summary import print_failures, print_summary

        if failed_stages(stages):
            print_failures(self.run, stages, console.on_stderr())
            return
        if self.gates is not None and self.gates.closed:
            self.of_now = told_of_now(self.run)
            look_at = self.gates.keep_what_to_look_at(self.of_now)
            print_gates(self.run, self.gates.closed, look_at, console)
            return
        with suppress(InputError):  # a full disk: what was computed is whole all the same
            write_rates(self.run, measure(self.run))
        if self.run.only is None:
            print_summary(self.run, console)
