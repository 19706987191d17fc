"""What a start would throw away is priced and asked for; what it keeps is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from test_explain import RUN_AGAIN, finish, make_run, publish

from pipeline.errors import InputError
from pipeline.results.records import record_path
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.launch import lineage, model_target
from pipeline.training.progress import Progress, Stretch
from pipeline.training.sampling import coordinates_target
from pipeline.training.start import where_training_starts
from workflows.planning import discards
from workflows.planning.discards import discarded, refuse_to_discard
from workflows.planning.dry_run import print_what_is_done

OTHER_NAMES = {
    "inference.overlap=[20,20,20]",
    "agglomeration.enabled=true",
    "reconciliation.meshes=true",
    "reconciliation.skeletons=true",
    "inference.passes=[{}, {seed_order: reverse}]",
    "evaluation.box=0:40,0:48,64:112",
    "reconciliation.chunk=[8,8,8]",  # more coarser levels, for which the report waits
}
"""Changes with which some files have other names: what was there stays beside them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's folder."""
    folder = tmp_path_factory.mktemp("run")
    finish(make_run(folder))
    return folder


@pytest.mark.parametrize("change", [change for change in RUN_AGAIN if change not in OTHER_NAMES])
def test_what_would_run_again_though_it_is_finished_is_lost(folder: Path, change: str) -> None:
    lost = [each.stage for each in discarded(make_run(folder, change))]
    assert lost == [stage for stage in RUN_AGAIN[change].split() if stage != "report"]  # which is no work


def test_an_unchanged_run_loses_nothing(folder: Path) -> None:
    assert discarded(make_run(folder)) == []
    refuse_to_discard(make_run(folder))


def test_of_a_run_that_has_no_folder_yet_no_task_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    monkeypatch.setattr(discards, "outcomes", lambda *_, **__: pytest.fail("looked at"))
    assert discarded(run) == []


def test_a_run_of_an_earlier_version_loses_nothing_by_other_defaults(tmp_path: Path) -> None:
    before = make_run(tmp_path, "training.fov_moves=fixed", "training.moves_reach=1")
    finish(before)
    before.config_file.write_text(dump_config(before.config))
    assert discarded(make_run(tmp_path)) == []
    assert discarded(make_run(tmp_path, "training.moves_reach=2"))[0].stage == "sample"


def test_the_refusal_names_stages_prices_and_the_setting_from_what_to_what(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = make_run(folder, "training.learning_rate=0.1")
    refuse_to_discard(changed)  # a few minutes are not asked for
    monkeypatch.setattr(discards, "FREE_NODE_HOURS", 0)
    with pytest.raises(InputError) as caught:
        refuse_to_discard(changed)
    said = str(caught.value)
    assert (
        "train: 1 finished task, 0.00 node-hours: settings changed: training.learning_rate 0.001 -> 0.1"
        in said
    )
    assert "finished tasks, 0.00 node-hours: an earlier stage has to run first" in said
    assert said.startswith("this start would throw away up to 0.00 node-hours of finished work in ")
    assert "\nwhat an earlier stage has to run for is kept where that comes out as it was\n" in said
    assert said.endswith("or go on with --discard")


def test_damage_is_no_discard(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    run = make_run(tmp_path)
    record_path(run.model_file).unlink()
    run.tile_file(run.tiles[0]).write_text("torn")
    assert discarded(run) == []


def test_a_training_under_way_goes_on_where_its_coordinates_were_damaged(tmp_path: Path) -> None:
    """They are drawn again, to the same bytes."""
    run = make_run(tmp_path)
    coordinates = publish(coordinates_target(run))
    stop_training(run, lineage(model_target(run, coordinates).recipe), 7200)
    run.coordinates_file.write_text("torn")
    assert str(where_training_starts(run)) == "training goes on after 7,200 FOVs"
    assert discarded(run) == []


def test_what_is_lost_costs_what_its_own_machine_asked_for_it(tmp_path: Path) -> None:
    """A training on four nodes is not for a fraction of that where it would go on by two ranks."""
    cluster = ("training.ranks=4", "site.ranks_per_node=1")
    run = make_run(tmp_path, *cluster)
    stop_training(run, "other settings", 7200)
    run.config_file.write_text(dump_config(run.config))
    [lost] = discarded(make_run(tmp_path, "training.ranks=2"))
    assert lost.node_hours == 8.0


def test_a_network_that_is_imported_instead_costs_the_one_that_was_trained(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    assert discarded(make_run(tmp_path, "network.checkpoint=other.h5"))[0].stage == "import network"


def stop_training(run: Run, lineage: str, fovs: int) -> None:
    """Leave a checkpoint and a log, at an FOV a second, of a training of so many FOVs."""
    run.training_log.parent.mkdir(parents=True, exist_ok=True)
    run.training_log.write_text(json.dumps({"fovs_seen": fovs, "fovs_per_s": 1.0}) + "\n")
    weights, seen = {"conv/bias": np.zeros(1)}, Progress(1, 10, (Stretch(fovs, 2, 1),))
    Checkpoint(lineage, seen, weights, [weights["conv/bias"]]).save(run.checkpoint_file)


def test_a_training_under_way_is_lost_by_other_settings(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    stop_training(run, "other settings", 7200)
    (lost,) = discarded(run)
    assert (lost.stage, lost.node_hours) == ("train", 2.0)
    with pytest.raises(InputError, match=r"2\.00 node-hours"):
        refuse_to_discard(run)


def test_what_a_start_would_lose_of_a_training_under_way_stands_in_the_plan(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    stop_training(run, "other settings", 7200)
    console = Console(record=True, width=400)
    print_what_is_done(run, console)
    said = console.export_text()
    assert "Nothing of it is done yet." in said
    assert "training starts from random weights; a checkpoint of 7,200 FOVs is of other settings" in said
    assert "train: 1 finished task, 2.00 node-hours" in said


def test_a_training_costs_what_all_its_attempts_took(tmp_path: Path) -> None:
    """The record of a network is of the attempt that ended its training, perhaps with its last FOVs."""
    run = make_run(tmp_path)
    finish(run)
    run.training_log.parent.mkdir(parents=True)
    lines = [{"fovs_seen": seen, "fovs_per_s": 1.0} for seen in (3600, 7190, 7200)]
    run.training_log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    changed = make_run(tmp_path, "training.learning_rate=0.1")
    assert next(each.node_hours for each in discarded(changed) if each.stage == "train") == 2.0
    with pytest.raises(InputError, match=r"train: 1 finished task, 2\.00 node-hours"):
        refuse_to_discard(changed)
