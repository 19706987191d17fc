"""Chains: what an attempt hands to Parsl, stage by stage, and what it says when all of that has ended."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.errors import InputError
from pipeline.run_folder import Run
from workflows.output import KeepingConsole

if TYPE_CHECKING:  # Parsl takes a second to import
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer

    from site_configs.executors import RetryHandler
    from workflows.stages import Stage


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


@dataclass(frozen=True)
class Pipeline:
    """The chain of a resolved run, from its input to its report."""

    run: Run
    verify: bool = False
    """Whether every finished file is read before it counts."""

    def parsl_config(self, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
        from site_configs import parsl_config

        return parsl_config(self.run, memoizer, retry_handler)

    def build(self) -> list[Stage[Any]]:
        from workflows.running.submission import Submission
        from workflows.stages import build, call, call_by_name

        submission = Submission(call_by_name if self.run.config.site.monitoring else call, self.verify)
        return build(self.run, submission.submit)

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        from workflows.planning.rates import measure, write_rates
        from workflows.running.summary import print_failures, print_summary

        if any(future.exception() for stage in stages for future in stage.tasks):
            print_failures(self.run, stages, console.on_stderr())
            return
        with suppress(InputError):  # a full disk: what was computed is whole all the same
            write_rates(self.run, measure(self.run))
        if self.run.only is None:
            print_summary(self.run, console)
