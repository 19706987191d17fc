"""A search as a chain: each trial a task of the driver, which trains its point rung by rung on the site."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError, Untrainable
from pipeline.results.artifacts import publishing
from pipeline.results.changes import changes
from pipeline.results.unreadable import read_if_there
from pipeline.run_folder import Run
from pipeline.settings.run_file import parse_config
from pipeline.training.start import where_training_starts
from workflows.output import KeepingConsole
from workflows.studies.chain import PointChain
from workflows.studies.drawing import Chart, Line, figure
from workflows.studies.measured import measure
from workflows.studies.point import DECISIVE, RATE_SCALING, SETTINGS, Point, Value, make_point
from workflows.studies.results import as_markdown, cause_of, why_failed
from workflows.studies.search import Space, open_study, pursue, rungs_of, states_of, still_to_do

if TYPE_CHECKING:
    from optuna.study import Study

    from workflows.stage import Stage

POLL_S = 0.2

UNFINISHED = "unfinished"
"""The state of a trial that is left to the next start: to Optuna it is running."""


@dataclass(frozen=True)
class SearchChain(PointChain):
    """Some trials of a search."""

    folder: Path
    """Of its journal and results."""
    spaces: Sequence[Space]
    fovs: int
    """Of each trial's last rung."""
    trials: int

    @property
    def study(self) -> Study:
        return open_study(self.folder / "journal.log", self.run.config.seed)

    @property
    def begun_with_file(self) -> Path:
        """What all its trials have in common, beside the journal."""
        return self.folder / "begun_with.json"

    @property
    def begun_with(self) -> dict[str, Any]:
        """Without which scores of trials say nothing of each other, as plain values."""
        settings = self.run.config.model_dump(mode="json", include=set(DECISIVE))
        spaces = {space.key: str(space) for space in self.spaces}
        return {"--fovs": self.fovs, "--space": spaces, **settings, "inputs": dict(self.run.identities)}

    def write_settings(self) -> None:
        """Keep what it is begun with for the starts that go on with it. Raises InputError."""
        with publishing(self.begun_with_file) as temporary:
            temporary.write_text(json.dumps(self.begun_with, indent=1) + "\n")

    def build(self) -> list[Stage[Any]]:
        """A stage for each trial that is still to be done."""
        from parsl import dfk, python_app

        from workflows.stage import Stage

        self.write_settings()
        kernel, study = dfk(), self.study

        @python_app(executors=["head"])
        def try_settings(earlier: Any) -> str:
            return pursue(study, earlier, self.spaces, rungs_of(self.fovs), train)

        def train(settings: Mapping[str, Value], fovs: int) -> float:
            try:
                point = self.point(settings)
            except InputError as error:
                raise Untrainable(str(error)) from None
            point.write_settings()
            rung = up_to(point, fovs)
            if not has_seen_more(point, fovs):
                future = self.train(rung)
                while not future.done():
                    if kernel.cleanup_called:  # Parsl has been stopped, and nobody answers any more
                        raise InterruptedError("the search was stopped")
                    time.sleep(POLL_S)
                if future.exception() is not None:
                    raise cause_of(future.exception())
            return measure(rung).curve.at_end("f1") or 0.0

        return [
            Stage(f"trial {index + 1}", [try_settings(earlier)])
            for index, earlier in enumerate(still_to_do(study, self.trials))
        ]

    def foretold(self) -> list[str]:
        """What a start would do; nothing is written."""
        there = states_of(self.folder / "journal.log")
        under_way = there.count("running")
        rungs = " or ".join(f"{fovs:,}" for fovs in rungs_of(self.fovs))
        return [
            f"{max(self.trials, len(there))} trials, of which {len(there) - under_way} are done and "
            f"{under_way} under way, each of {rungs} FOVs; they choose",
            *(f"{space.key}  {space}" for space in self.spaces),
        ]

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        """Write all trials of this and earlier starts as search.json, table.md and figure.svg."""
        rungs, trials = rungs_of(self.fovs), self.study.get_trials()
        rows: list[dict[str, Any]] = [
            {
                "trial": trial.number,
                "state": UNFINISHED if trial.state.name == "RUNNING" else trial.state.name.lower(),
                "F1": None if trial.value is None else round(trial.value, 4),
                "FOVs": rungs[len(trial.intermediate_values) - 1] if trial.intermediate_values else 0,
                **{space.key: trial.params.get(space.key) for space in self.spaces},
            }
            for trial in trials
        ]
        lines = [
            Line(str(t.number), [(rungs[rung], f1) for rung, f1 in t.intermediate_values.items()])
            for t in trials
        ]
        texts = {
            "search.json": json.dumps(rows, indent=1) + "\n",
            "table.md": as_markdown(rows),
            "figure.svg": figure([Chart("F1 by trial", "FOVs", lines, at_most=1.0)], f"{len(trials)} trials"),
        }
        for name, text in texts.items():
            with publishing(self.folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="replace")
        console.print(as_markdown(rows), highlight=False, soft_wrap=True)
        for name in texts:
            console.print(str(self.folder / name), highlight=False, soft_wrap=True)
        for stage in stages:
            error = stage.tasks[-1].exception()
            if error is not None:
                console.on_stderr().print(f"error: {stage.name} failed: {why_failed(error)}", soft_wrap=True)
        done = [row for row in rows if row["state"] == "complete"]
        best = max(done, key=lambda row: row["F1"], default=None)
        if best and best["F1"] > 0:
            found = {space.key: best[space.key] for space in self.spaces}
            if SETTINGS["rate"] in found:  # as make_point has it, whatever the run file says
                found.setdefault(RATE_SCALING, "none")
            settings = " ".join(f"--set {key}={value}" for key, value in found.items())
            console.print(f"best: trial {best['trial']}, F1 {best['F1']}: {settings}", soft_wrap=True)
        elif best:
            console.print("best: none, as no trial came to an F1 above 0: raise --fovs", soft_wrap=True)

    def point(self, settings: Mapping[str, Value]) -> Point:
        """The training of a trial, to the end of its last rung.

        Its rate does not decay: it would do so at the end of every rung.
        """
        training = self.run.config.training
        schedule = "constant" if training.schedule == "cosine" else training.schedule
        training = training.model_copy(update={"decay_fovs": 0, "schedule": schedule})
        base = replace(self.run, config=self.run.config.model_copy(update={"training": training}))
        return make_point(base, self.run.folder / "points", self.fovs, settings)


def has_seen_more(point: Point, fovs: int) -> bool:
    """Whether a point's training is past so many FOVs, as where a study has trained it: its log then has what
    is asked for, and to train so far would be to begin anew."""
    start = where_training_starts(point.run)
    return start is None or start.goes_on_at > fovs


def up_to(point: Point, fovs: int) -> Point:
    """The first so many FOVs of a point's training."""
    run: Run = point.run
    training = run.config.training.model_copy(update={"fovs": fovs})
    return replace(point, run=replace(run, config=run.config.model_copy(update={"training": training})))


def make_search(run: Run, folder: Path, spaces: Sequence[Space], fovs: int, trials: int) -> SearchChain:
    """The chain of a search. Raises InputError where a space is of no setting, or of impossible values, and
    where no rung can be trained."""
    chain = SearchChain(run, [], folder, spaces, fovs, trials)
    twice = [space.key for i, space in enumerate(spaces) if space.key in [other.key for other in spaces[:i]]]
    if twice:
        raise InputError(f"--space {twice[0]} is given twice: give all its values at once")
    ends = [point for space in spaces for point in _ends(chain, space)]
    for point in ends:
        _require_rungs(point, fovs)
    _require_the_same(chain)
    return replace(chain, points=ends)


def _ends(chain: SearchChain, space: Space) -> list[Point]:
    """The trainings with the values of a space that must be possible if all are to be.

    Raises InputError where they are not, or where two of them are one training, as of a setting on which a
    training does not depend.
    """
    if space.is_whole and space.key == SETTINGS["ranks"]:
        raise InputError(f"--space {space.key}={space}: each number of ranks has a job of its own: list them")
    by_name: dict[str, Value] = {}
    points = []
    for value in space.ends:
        point = chain.point({space.key: value})
        if point.name in by_name:
            raise InputError(
                f"--space {space.key}: {by_name[point.name]} and {value} make one and the same training of "
                "a search, so there is nothing to choose"
            )
        by_name[point.name] = value
        points.append(point)
    return points


def _require_the_same(chain: SearchChain) -> None:
    """Raise InputError where a search was begun with other settings: its trials are not to be compared."""
    text = read_if_there(chain.begun_with_file)
    if text is not None and (others := changes(json.loads(text), chain.begun_with)):
        raise InputError(
            f"the search in {chain.folder} was begun with other settings: {', '.join(others)}; set them "
            "back, or move that folder away to begin another search"
        )


def _require_rungs(point: Point, fovs: int) -> None:
    """Raise InputError where a point cannot be trained to the end of a first rung, or decays there."""
    training = point.run.config.training
    if training.decays:
        raise InputError(
            f"--space: training.schedule {training.schedule} with training.decay_fovs {training.decay_fovs} "
            "lets the rate fall to 0, which it would at the end of every rung: leave it out of the search"
        )
    first = up_to(point, rungs_of(fovs)[0]).run.config
    parse_config(first.model_dump(mode="json"), source=f"the first rung of a search over {fovs:,} FOVs")
