"""Which tasks wait behind a gate, and whether it lets them pass once all that is to be judged is there."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from pipeline.errors import InputError
from pipeline.report.earlier import made_by
from pipeline.report.history import expected_tasks
from pipeline.results.artifacts import Artifact
from pipeline.results.gates import PASSED, Gate, Judged, decide, gate_of, write_judged
from pipeline.run_folder import Run
from workflows.output import say
from workflows.planning.earlier import OfNow, earlier_beside
from workflows.stage import Stage
from workflows.stages import build


class HeldBackError(Exception):
    """A task was not begun: a gate before it is closed."""


def check_gates(run: Run) -> None:
    """Raise InputError where `gates` names what is no stage of this run, or one on which nothing depends."""
    stages = expected_tasks(run)
    for name in run.config.gates:
        if name not in stages:
            raise InputError(
                f"gates has {name!r}, which is no stage of this run; expected some of {', '.join(stages)}"
            )
    used = frozenset().union(*(place.behind for place in places(run)))
    for name in run.config.gates:
        if name not in used:
            raise InputError(f"gates has {name!r}, on which nothing depends: leave it out")


@dataclass(frozen=True)
class Place:
    """Where a task stands: its stage, and the gates that have to be open before it is begun."""

    stage: str
    behind: frozenset[str]


def places(run: Run) -> list[Place]:
    """The place of every task of a resolved run, in the order in which they are submitted."""
    stage_of = {app: stage.name for stage in _apps(run) for app in stage.tasks}
    gates, found = frozenset(run.config.gates), list[Place]()

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Place:
        stage = stage_of[app.__name__]
        before = list(_places_in((args, kwargs)))
        behind = frozenset().union(*(place.behind | ({place.stage} & gates) for place in before)) - {stage}
        found.append(Place(stage, behind))
        return found[-1]

    build(run, submit)
    return found


def _apps(run: Run) -> list[Stage[str]]:
    return build(run, lambda app, *args, **kwargs: app.__name__)


def _places_in(values: Any) -> Iterator[Place]:
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, Place):
            yield value
        elif type(value) in (tuple, list, dict):
            yield from _places_in(value)


class Gates:
    """The gates of an attempt on a run. With `passes` all of them open, which is kept as a word too."""

    def __init__(self, run: Run, passes: bool) -> None:
        self._run, self._passes = run, passes
        self._places = places(run)
        self._made: dict[str, list[Artifact | None]] = {name: [] for name in run.config.gates}
        self._wanted = {name: sum(p.stage == name for p in self._places) for name in run.config.gates}
        self._judged: dict[str, Judged] = {}
        self.settled: dict[str, Gate] = {}
        """Those of which every task has ended, well or not."""

    def place(self, number: int) -> Place:
        """That of the task that was submitted as the nth."""
        return self._places[number]

    def before(self, place: Place) -> list[Gate | None]:
        """Those that a task is behind; None for one that is not settled yet."""
        return [self.settled.get(name) for name in sorted(place.behind)]

    def end(self, stage: str, made: Artifact | None) -> bool:
        """A task of a stage has ended, with an artifact if it went well: whether that settles a gate."""
        if stage not in self._made:
            return False
        self._made[stage].append(made)
        if len(self._made[stage]) < self._wanted[stage]:
            return False
        try:
            self.settled[stage] = self._settle(stage, [each for each in self._made[stage] if each])
        except InputError as error:  # this is called where nobody would hear of it
            self.settled[stage] = Gate(stage, False, str(error))
        return True

    def _settle(self, stage: str, made: Sequence[Artifact]) -> Gate:
        if len(made) < self._wanted[stage]:
            return Gate(stage, False, f"{self._wanted[stage] - len(made):,} of its tasks are not done")
        self._judged[stage] = judged = Judged.of(self._run.folder, stage, made)
        gate = gate_of(self._run.folder, judged)
        write_judged(self._run.folder, judged, [])
        if gate.is_open or not self._passes:
            return gate
        decide(self._run.folder, judged, PASSED, why=f"it was {gate.says}")
        return Gate(stage, True, PASSED)

    @property
    def closed(self) -> list[Gate]:
        """Those that hold something back though their stage is done."""
        done = {name for name, made in self._made.items() if all(made)}
        return [gate for gate in self.settled.values() if not gate.is_open and gate.stage in done]

    def keep_what_to_look_at(self, known: OfNow) -> list[str]:
        """Once all that can run has: what a person may look at, which is kept with what each closed gate has
        to judge. `known` is what `told_of_now` says. Raises InputError.
        """
        look_at = _look_at(self._run, known)
        for gate in self.closed:
            write_judged(self._run.folder, self._judged[gate.stage], look_at)
        return look_at


def _look_at(run: Run, known: OfNow) -> list[str]:
    """The report is written when the run stops; other files as far as they are there and of the run as it
    is."""
    files = (
        run.quality_file,
        run.aligned_folder,
        run.conflicts_file,
        run.corrections_file,
        run.metrics_file,
        run.worst_file,
        run.run_length_file,
        run.edges_file,
        run.training_log,
        run.logs_folder / "pictures",
        run.segmentation_folder,
    )
    stages, (earlier, _) = made_by(run), earlier_beside(run, known)
    there = [str(path) for path in files if stages[path] not in earlier.stages and path.exists()]
    return [str(run.report_page), *there, f"ffn view {shlex.quote(str(run.folder))}"]


def failed_stages(stages: Sequence[Stage[Any]]) -> list[str]:
    """The stages of which a task has failed; one that was held back has not."""
    errors = {stage.name: [future.exception() for future in stage.tasks] for stage in stages}
    return [name for name, of in errors.items() if any(e and not isinstance(e, HeldBackError) for e in of)]


def held_by(stages: Sequence[Stage[Any]]) -> str:
    """Which gates have held tasks back, in words; empty where none has."""
    errors = (future.exception() for stage in stages for future in stage.tasks)
    return "; ".join(dict.fromkeys(str(error) for error in errors if isinstance(error, HeldBackError)))


def print_gates(run: Run, closed: Sequence[Gate], look_at: Sequence[str], console: Console) -> None:
    """Say what waits for a person, where to look and how to go on."""
    lines = [f"stopped before what depends on {', '.join(gate.stage for gate in closed)}; all else is done"]
    for gate in closed:
        of = shlex.join([str(run.folder), gate.stage])
        lines += [f"gate          {gate.stage}: {gate.says}", f"to go on      ffn approve {of} [--why TEXT]"]
        lines += [f"or            ffn reject {of} [--why TEXT]"]
    lines += [f"look at       {what}" for what in look_at]
    lines += ["After that, give the same command again; --yes opens all gates."]
    say(console, *lines)


def gate_lines(run: Run, stages: Sequence[Stage[Any]]) -> list[str]:
    """A line for each gate of a run, from what is there of its stages: artifacts, or why there is none."""
    tasks, lines = {stage.name: stage.tasks for stage in stages}, []
    for name in run.config.gates:
        made = [task for task in tasks.get(name, []) if isinstance(task, Artifact)]
        if len(made) < len(tasks.get(name, [])):
            says = f"not reached, {len(made):,} of {len(tasks[name]):,} tasks are done"
        else:
            gate = gate_of(run.folder, Judged.of(run.folder, name, made))
            says = f"{'open' if gate.is_open else 'closed'}, {gate.says}"
        lines.append(f"gate        {name}: {says}")
    return lines
