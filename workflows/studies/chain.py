"""A study's points as a chain of futures: of each its phantom, its coordinates and its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import site_configs
from pipeline.run_folder import Run
from pipeline.training.ranks.launchers import Launcher, LocalLauncher
from pipeline.training.start import where_training_starts
from workflows.output import KeepingConsole
from workflows.studies.point import Point
from workflows.studies.results import Results

if TYPE_CHECKING:  # Parsl takes a second to import
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer
    from parsl.executors import HighThroughputExecutor

    from site_configs.executors import RetryHandler
    from workflows.stage import Stage


@dataclass(frozen=True)
class PointChain:
    """Points, and where each is trained."""

    run: Run
    """Resolved; its folder is the study's, and it is the run that all points vary."""
    points: Sequence[Point]

    def parsl_config(self, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
        """One executor on this machine, where trainings may not disturb each other; in a batch system one for
        each number of ranks, whose job has just the nodes that these need."""
        from site_configs.executors import config

        executors = {}
        for point in self.points:
            label = self._executor(point)
            if label not in executors:
                run = replace(point.run, folder=self.run.folder)
                site = site_configs.parsl_config(run, memoizer, retry_handler)
                executors[label] = _of_training(site, label)
        idle_s = self.run.config.site.idle_s
        return config(self.run, memoizer, retry_handler, list(executors.values()), idle_s)

    def train(self, point: Point) -> Any:
        """The future of a point's network. All its tasks run where it is trained: on this machine one after
        the other, so that none disturbs a training; in a batch system in one job."""
        from apps import prepare, train
        from apps.placing import placed

        run, where = point.run, self._executor(point)
        phantom = [placed(prepare.make_phantom, where)(run)] if run.uses_phantom else []
        coordinates = placed(train.sample_coordinates, where)(run, after=phantom)
        return placed(train.train, where)(run, coordinates, launcher=launcher_of(point))

    def _executor(self, point: Point) -> str:
        one_machine = not site_configs.commands(self.run)
        return "train" if one_machine else f"train_{point.run.config.training.ranks}"


@dataclass(frozen=True)
class StudyChain(PointChain):
    """All points of a study; none waits for another's result, and none is lost with another."""

    results: Results

    def foretold(self) -> list[str]:
        """Of each point what sets it apart, and from where a start would train it; nothing is written."""
        lines = []
        for point in self.points:
            varied = ", ".join(f"{name} {value}" for name, value in point.varied.items())
            start = where_training_starts(point.run)
            lines.append(f"{point.name}  {varied}  {'made already' if start is None else start}")
        return lines

    def build(self) -> list[Stage[Any]]:
        """A stage for each point, which ends with its training."""
        from workflows.stage import Stage

        for point in self.points:
            point.write_settings()
        return [Stage(point.name, [self.train(point)], point.run) for point in self.points]

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        failed = {
            point.name: error
            for point, stage in zip(self.points, stages)
            if (error := stage.tasks[-1].exception()) is not None
        }
        self.results.publish([point for point in self.points if point.name not in failed], failed, console)


def launcher_of(point: Point) -> Launcher:
    """Starts the ranks of a point's training."""
    launcher = site_configs.rank_launcher(point.run)
    if isinstance(launcher, LocalLauncher):
        return replace(launcher, pinned=point.is_pinned)
    return launcher


def _of_training(config: Config, label: str) -> HighThroughputExecutor:
    """The executor `train` of a site, under a name of its own."""
    executor: Any = next(each for each in config.executors if each.label == "train")
    executor.label = label
    return executor
