"""A search that is stopped goes on; what promises little is ended early, what cannot be trained is told."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from made_up import base_run
from parsl.dataflow.errors import DependencyError

from pipeline.errors import InputError, Untrainable
from pipeline.results.records import make
from pipeline.training.launch import model_target
from pipeline.training.metrics import SCORES
from pipeline.training.sampling import coordinates_target
from pipeline.training.schedule import learning_rate, target_rate
from workflows.output import KeepingConsole
from workflows.stage import Stage
from workflows.studies.measured import measure
from workflows.studies.point import Value
from workflows.studies.results import cause_of
from workflows.studies.search import (
    Space,
    Train,
    open_study,
    pursue,
    rungs_of,
    states_of,
    still_to_do,
    unfinished,
)
from workflows.studies.search_chain import has_seen_more, make_search, up_to

RATE = Space.parse("training.learning_rate=1e-4..1e-1")
RUNGS = rungs_of(400)
SCALING = "training.rate_scaling"


class Trainer:
    """Settings whose score is the better the nearer the rate is to 0.01; killed when `lives` are used up."""

    def __init__(self, lives: int = 10**6) -> None:
        self.lives = lives
        self.trained: list[tuple[float, int]] = []

    def __call__(self, settings: Mapping[str, Value], fovs: int) -> float:
        if not self.lives:
            raise KeyboardInterrupt
        self.lives -= 1
        rate = float(settings[RATE.key])
        self.trained.append((rate, fovs))
        if rate > 0.05:
            raise Untrainable("not finite")
        return fovs / 400 * 0.01 / (0.01 + abs(rate - 0.01))


def search(journal: Path, train: Train, trials: int = 12) -> None:
    """Do all trials that are left, as the chain does."""
    study = open_study(journal, seed=1)
    for earlier in still_to_do(study, trials):
        try:
            pursue(study, earlier, [RATE], RUNGS, train)
        except InputError:
            continue


def test_spaces_are_read_and_others_refused() -> None:
    assert (RATE.key, RATE.low, RATE.high) == ("training.learning_rate", 1e-4, 1e-1)
    assert Space.parse("training.batch_size=1,2").choices == [1, 2]
    assert Space.parse("training.rate_scaling=sqrt,none").choices == ["sqrt", "none"]
    for wrong in ("rate", "a=", "=1,2", "a=2..1", "a=0..1", "a=x..y"):
        with pytest.raises(InputError, match=r"expected KEY=LOW\.\.HIGH"):
            Space.parse(wrong)


def test_rungs_double_up_to_all_fovs() -> None:
    assert RUNGS == [100, 200, 400]
    assert rungs_of(1) == [1]


def test_a_space_of_no_setting_is_refused(tmp_path: Path) -> None:
    for text, said in (
        ("training.rte=1,2", "training.rte is no setting"),
        ("trainng.ranks=1", "is no setting"),
    ):
        with pytest.raises(InputError, match=said):
            make_search(base_run(tmp_path), tmp_path, [Space.parse(text)], 100, 2)


SPACES = {
    "training.fovs=10,20": "10 and 20 make one and the same training",  # a search sets them itself
    "inference.batch=1,2": "1 and 2 make one and the same training",
    "training.batch_size=2,2": "2 and 2 make one and the same training",
    "training.batch_size=0.5..2": "batch_size is 0.5",
    "training.ranks=1..4": "each number of ranks has a job of its own: list them",
}


@pytest.mark.parametrize("space", SPACES)
def test_a_space_in_which_there_is_nothing_to_choose_or_not_all_can_be_is_refused(
    space: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=SPACES[space]):
        make_search(base_run(tmp_path), tmp_path, [Space.parse(space)], 100, 2)


def test_two_spaces_of_one_setting_are_refused(tmp_path: Path) -> None:
    spaces = [Space.parse(f"training.batch_size={values}") for values in ("1,2", "4,8")]
    with pytest.raises(InputError, match=r"training\.batch_size is given twice"):
        make_search(base_run(tmp_path), tmp_path, spaces, 100, 2)


def test_a_rung_is_the_first_part_of_the_trials_own_training(tmp_path: Path) -> None:
    point = make_search(base_run(tmp_path), tmp_path, [RATE], 400, 2).points[0]
    rung = up_to(point, 100)
    assert rung.run.folder == point.run.folder
    assert rung.run.config.training.fovs == 100
    assert rung.run.config.training.learning_rate == 1e-4


def test_no_rung_ends_with_a_rate_that_has_fallen(tmp_path: Path) -> None:
    base = base_run(tmp_path, schedule="cosine")
    point = make_search(base, tmp_path, [Space.parse("training.batch_size=1,2")], 400, 2).points[0]
    for fovs in RUNGS:
        training = up_to(point, fovs).run.config.training
        assert learning_rate(training, fovs - 1) == target_rate(training)


def test_a_search_for_how_the_rate_falls_is_refused(tmp_path: Path) -> None:
    for text in ("training.schedule=constant,cosine", "training.decay_fovs=0,1000"):
        with pytest.raises(InputError, match="at the end of every rung"):
            make_search(base_run(tmp_path), tmp_path, [Space.parse(text)], 400, 2)


def test_a_warm_up_that_is_longer_than_the_first_rung_is_refused_before_any_trial(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the first rung.*warmup_fovs is 200, more than fovs, 100"):
        make_search(base_run(tmp_path, warmup_fovs=2000), tmp_path, [RATE], 400, 2)


OTHERS = {
    "other FOVs": (RATE, 800, {}, "--fovs 400 -> 800"),
    "another space": (
        Space.parse("training.learning_rate=1e-5..1e-1"),
        400,
        {},
        r"--space\.training\.learning_rate 0\.0001\.\.0\.1 -> 1e-05\.\.0\.1",
    ),
    "another optimiser": (RATE, 400, {"optimizer": "adamw"}, r"training\.optimizer adam -> adamw"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_trials_that_are_not_to_be_compared_are_not_of_one_search(other: str, tmp_path: Path) -> None:
    space, fovs, training, said = OTHERS[other]
    make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 2).write_settings()
    make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 20)  # more trials are welcome
    with pytest.raises(InputError, match=f"was begun with other settings: {said}; set them back, or move"):
        make_search(base_run(tmp_path, **training), tmp_path / "search", [space], fovs, 2)


def test_a_rung_that_a_training_is_past_is_read_in_its_log(tmp_path: Path) -> None:
    """As of a point of another study, or of a search that was moved away: it would be trained anew."""
    point = make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 2).points[0]
    assert not has_seen_more(point, 100)
    coordinates = make(coordinates_target(point.run), touch)
    make(model_target(point.run, coordinates), touch)
    assert has_seen_more(point, 100)
    figures = dict.fromkeys(("fovs_per_s", "step_s", "step_s_std", "loss", *SCORES), 1.0)
    lines = [{**figures, "fovs_seen": fovs, "f1": fovs / 400} for fovs in range(40, 401, 40)]
    point.run.training_log.parent.mkdir(parents=True)
    point.run.training_log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert measure(up_to(point, 200)).curve.fovs.tolist() == [40, 80, 120, 160, 200]


def touch(path: Path) -> None:
    path.write_text("")


class TestWithOptuna:
    """What Optuna decides and keeps."""

    @pytest.fixture(autouse=True)
    def _optuna(self) -> None:
        pytest.importorskip("optuna")

    def test_the_best_rate_is_found_and_bad_ones_are_ended_early(self, tmp_path: Path) -> None:
        train = Trainer()
        search(tmp_path / "journal.log", train, trials=20)
        study = open_study(tmp_path / "journal.log", seed=1)
        states = [trial.state.name for trial in study.get_trials()]
        assert len(states) == 20
        assert {"COMPLETE", "PRUNED", "FAIL"} == set(states)
        assert 0.003 < study.best_params[RATE.key] < 0.03
        pruned = next(t for t in study.get_trials() if t.state.name == "PRUNED")
        seen = [fovs for rate, fovs in train.trained if rate == pruned.params[RATE.key]]
        assert seen == RUNGS[: len(seen)]
        assert len(seen) < len(RUNGS)

    @pytest.mark.parametrize("lives", [1, 2, 3, 7])
    def test_a_search_that_was_stopped_goes_on_at_the_rung_where_it_was(
        self, lives: int, tmp_path: Path
    ) -> None:
        stopped, journal = Trainer(lives), tmp_path / "journal.log"
        with pytest.raises(KeyboardInterrupt):
            search(journal, stopped)
        assert len(unfinished(open_study(journal, seed=1))) == 1
        going_on = Trainer()
        search(journal, going_on)
        assert len(open_study(journal, seed=1).get_trials()) == 12
        assert unfinished(open_study(journal, seed=1)) == []
        trained = stopped.trained + going_on.trained
        assert len(set(trained)) == len(trained), "no rung of any rate is trained twice"

        again = Trainer()
        search(journal, again)
        assert again.trained == []

    @pytest.mark.parametrize("key", ["training.batch_size", "training.moves_reach"])
    def test_between_two_whole_numbers_whole_ones_are_tried(self, key: str, tmp_path: Path) -> None:
        """Any other is none that the setting takes: all trials failed."""
        space, tried = Space.parse(f"{key}=1..5"), set[Value]()
        chain = make_search(base_run(tmp_path), tmp_path, [space], 400, 2)

        def train(settings: Mapping[str, Value], fovs: int) -> float:
            chain.point(settings)
            tried.add(settings[key])
            return 1.0

        for _ in range(12):
            pursue(chain.study, None, [space], RUNGS, train)
        assert tried <= {1, 2, 3, 4, 5}
        assert {type(value) for value in tried} == {int}
        assert len(tried) > 2

    def test_what_settings_are_not_to_blame_for_leaves_a_trial_to_the_next_start(
        self, tmp_path: Path
    ) -> None:
        """As a file that was away: such trials were over, and no start tried their settings again."""
        journal, tried = tmp_path / "journal.log", list[Value]()

        def away(settings: Mapping[str, Value], fovs: int) -> float:
            tried.append(settings[RATE.key])
            raise InputError("volume.h5: no such file")

        search(journal, away, trials=3)
        assert len(unfinished(open_study(journal, seed=1))) == 3
        train = Trainer()
        search(journal, train, trials=3)
        assert list(dict.fromkeys(rate for rate, _ in train.trained)) == tried
        assert unfinished(open_study(journal, seed=1)) == []

    def test_a_trial_that_waited_for_what_failed_tells_what_that_was(self, tmp_path: Path) -> None:
        chain = make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 2)
        chain.study.ask()
        waited: Future[str] = Future()
        away = (InputError("volume.h5: no such file"), "task 7")
        waited.set_exception(DependencyError([away], 8))
        chain.end([Stage("trial 1", [waited])], KeepingConsole.at(tmp_path / "told.txt"))
        assert "error: trial 1 failed: volume.h5: no such file\n" in (tmp_path / "told.txt").read_text()
        [row] = json.loads((tmp_path / "search" / "search.json").read_text())
        assert row["state"] == "unfinished"

    def test_settings_that_leave_no_place_for_an_example_are_to_blame(self) -> None:
        """Coordinates are a task of their own, on which the training waits."""
        refused = Untrainable("training.box has no room for a patch")
        assert cause_of(DependencyError([(refused, "task 1")], 2)) is refused

    def test_a_journal_whose_end_was_not_written_whole_goes_on(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal.log"
        search(journal, Trainer(), trials=2)
        journal.write_bytes(journal.read_bytes()[:-20])
        search(journal, Trainer(), trials=4)
        assert len(open_study(journal, seed=1).get_trials()) == 4

    def test_a_damaged_journal_is_named_and_stays_as_it_is(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal.log"
        search(journal, Trainer(), trials=2)
        whole = journal.read_bytes()
        middle = len(whole) // 2
        for damaged in (
            whole[:middle] + bytes(40) + whole[middle + 40 :],
            b"0\n" + whole,
            b"a note\n" + whole,
        ):
            journal.write_bytes(damaged)
            for look in (states_of, lambda path: open_study(path, seed=1)):
                with pytest.raises(
                    InputError, match=r"the journal of the search, .*journal\.log, is damaged: "
                ):
                    look(journal)
            assert journal.read_bytes() == damaged

    def test_a_journal_in_which_nothing_stands_yet_is_of_no_trials(self, tmp_path: Path) -> None:
        (tmp_path / "journal.log").touch()
        assert states_of(tmp_path / "journal.log") == []

    def test_a_dry_run_tells_how_many_trials_are_left_and_writes_nothing(self, tmp_path: Path) -> None:
        chain = make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 6)
        assert chain.foretold()[0].startswith("6 trials, of which 0 are done and 0 under way")
        assert not chain.folder.exists()
        with pytest.raises(KeyboardInterrupt):
            search(chain.folder / "journal.log", Trainer(4), trials=6)
        before = (chain.folder / "journal.log").read_bytes()
        assert chain.foretold() == [
            "6 trials, of which 1 are done and 1 under way, each of 100 or 200 or 400 FOVs; they choose",
            "training.learning_rate  0.0001..0.1",
        ]
        assert (chain.folder / "journal.log").read_bytes() == before

    def test_trials_of_equal_settings_are_one_training(self, tmp_path: Path) -> None:
        """A rung of few FOVs after one of more would begin the training in their folder anew."""
        study, trained, at_work = open_study(tmp_path / "journal.log", seed=1), list[tuple[Value, int]](), 0
        batches = Space.parse("training.batch_size=1,2")

        def train(settings: Mapping[str, Value], fovs: int) -> float:
            nonlocal at_work
            at_work += settings[batches.key] == 1
            assert at_work <= 1
            time.sleep(0.01)
            at_work -= settings[batches.key] == 1
            trained.append((settings[batches.key], fovs))
            return float(settings[batches.key])

        with ThreadPoolExecutor(2) as trials:
            ended = list(trials.map(lambda _: pursue(study, None, [batches], RUNGS, train), range(8)))
        assert set(ended) <= {"complete", "pruned"}
        assert len(study.get_trials()) == 8
        assert len(set(trained)) == len(trained)

    def test_the_settings_that_are_told_are_those_that_were_trained(self, tmp_path: Path) -> None:
        """Rates are given to the ranks as they are, which the run file need not say."""
        base = base_run(tmp_path / "search", rate_scaling="sqrt")
        chain = make_search(base, tmp_path / "search", [RATE], 400, 4)
        search(chain.folder / "journal.log", Trainer(), trials=4)
        chain.end([], KeepingConsole.at(tmp_path / "told.txt"))
        best = next(line for line in (tmp_path / "told.txt").read_text().splitlines() if "best:" in line)
        told = dict(item.split("=") for item in best.split() if "=" in item)
        trained = target_rate(chain.point({RATE.key: float(told[RATE.key])}).run.config.training)
        followed = base_run(tmp_path, learning_rate=told[RATE.key], rate_scaling=told.get(SCALING, "sqrt"))
        assert target_rate(followed.config.training) == trained

    def test_where_no_trial_was_scored_none_is_the_best(self, tmp_path: Path) -> None:
        chain = make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 2)
        search(chain.folder / "journal.log", lambda settings, fovs: 0.0, trials=2)
        chain.end([], KeepingConsole.at(tmp_path / "told.txt"))
        assert "best: none, as no trial came to an F1 above 0" in (tmp_path / "told.txt").read_text()

    def test_a_trial_that_was_stopped_before_it_had_settings_has_a_row_of_its_own(
        self, tmp_path: Path
    ) -> None:
        chain = make_search(base_run(tmp_path), tmp_path / "search", [RATE], 400, 2)
        chain.study.ask()
        pursue(chain.study, None, [RATE], RUNGS, Trainer())
        chain.end([], KeepingConsole.at(tmp_path / "told.txt"))
        header, _, *rows = (chain.folder / "table.md").read_text().splitlines()
        assert len(rows) == 2
        assert {row.count("|") for row in rows} == {header.count("|")}
