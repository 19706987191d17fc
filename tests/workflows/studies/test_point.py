"""Points: what is varied is varied, and equal settings are one folder, others another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import base_run, made_point

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.training.ranks.launchers import LocalLauncher
from pipeline.training.schedule import target_rate
from workflows.studies.chain import launcher_of
from workflows.studies.point import make_point


def test_what_is_varied_reaches_the_settings_and_the_rest_stays(tmp_path: Path) -> None:
    varied = {"ranks": 3, "threads": 2, "batch": 2, "rate": 0.01, "precision": "float32", "seed": 9}
    config, before = made_point(tmp_path, varied).run.config, base_run(tmp_path).config
    training = config.training
    assert (training.ranks, training.threads_per_rank, training.batch_size) == (3, 2, 2)
    assert (training.precision, config.seed) == ("float32", 9)
    assert target_rate(training) == 0.01, "a rate is the one that three ranks are given"
    assert (config.network, config.data, training.sampling) == (
        before.network,
        before.data,
        before.training.sampling,
    )


@given(st.integers(1, 10**6))
def test_warm_up_and_decay_keep_their_shares(fovs: int) -> None:
    base = base_run(Path("study"), warmup_fovs=400, decay_fovs=2000)
    training = make_point(base, Path("points"), fovs, {"seed": 1}).run.config.training
    assert training.fovs == fovs
    assert abs(training.warmup_fovs - fovs / 10) < 1
    assert abs(training.decay_fovs - fovs / 2) < 1


def test_cycles_of_the_rate_keep_their_share(tmp_path: Path) -> None:
    base = base_run(tmp_path, schedule="cyclic", cycle_fovs=1000)
    assert make_point(base, tmp_path, 400, {"seed": 1}).run.config.training.cycle_fovs == 100
    assert make_point(base, tmp_path, 2, {"seed": 1}).run.config.training.cycle_fovs == 1


def test_a_scaling_that_is_varied_with_the_rate_is_had_in_either_order(tmp_path: Path) -> None:
    scaling, rate = {"training.rate_scaling": "linear"}, {"training.learning_rate": 0.01}
    for varied in ({**scaling, **rate}, {**rate, **scaling}):
        assert target_rate(made_point(tmp_path, varied).run.config.training) == 0.02


def test_equal_settings_are_one_folder_and_every_other_is_another(tmp_path: Path) -> None:
    points = [
        *(made_point(tmp_path, {"ranks": n}) for n in (1, 2)),
        *(
            made_point(tmp_path, {"threads": n, "pinned": p})
            for n in (1, 2)
            for p in ("pinned", "not pinned")
        ),
        made_point(tmp_path, {"seed": 2}),
        made_point(tmp_path, {"ranks": 2}, fovs=1001),
    ]
    names = [point.name for point in points]
    assert names[1] == names[2], "two ranks of one thread, pinned, are what the run file says"
    assert len(set(names)) == len(names) - 1
    assert made_point(tmp_path / "elsewhere", {"ranks": 1}).name == names[0]


def test_points_of_another_machine_are_others(tmp_path: Path) -> None:
    """What was measured on one says nothing of how fast another is."""
    base, names = base_run(tmp_path), []
    for site in ({}, {"name": "theta"}, {"name": "theta", "ranks_per_node": 2}, {"train_on_cpus": True}):
        config = base.config.model_copy(update={"site": Site.model_validate(site)})
        names.append(make_point(replace(base, config=config), tmp_path, 1000, {"ranks": 1}).name)
    assert len(set(names)) == 4
    more = base.config.site.model_copy(update={"name": "local", "workers": 7, "idle_s": 5})
    same = replace(base, config=base.config.model_copy(update={"site": more}))
    assert make_point(same, tmp_path, 1000, {"ranks": 1}).name == names[0]


def test_ranks_that_are_not_pinned_may_use_every_core(tmp_path: Path) -> None:
    for pinning, pinned in (("pinned", True), ("not pinned", False)):
        launcher = launcher_of(made_point(tmp_path, {"pinned": pinning}))
        assert isinstance(launcher, LocalLauncher)
        assert launcher.pinned == pinned


def test_settings_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ranks is 30000, more than sampling\.coordinates"):
        made_point(tmp_path, {"ranks": 30000})
