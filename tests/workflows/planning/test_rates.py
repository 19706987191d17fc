"""Rates: measured on tiles that were really segmented, kept, and refused where they tell nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bright_blocks import NETWORK, make_run, write_image, write_network

from pipeline.errors import InputError
from pipeline.inference.engines import cpu_engine
from pipeline.inference.segmenter import segment_tile
from pipeline.machine.processor import processor
from pipeline.results.records import Missing, read, record_path, sealed
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.progress import Progress, Stretch
from workflows.planning.costs import expected
from workflows.planning.rates import TrainingRate, measure, read_rates, write_rates

WEIGHTS = {"conv0_a/bias": np.zeros(2)}


@pytest.fixture(scope="module")
def half_done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two tiles, the first of which is finished."""
    folder = tmp_path_factory.mktemp("half")
    run = make_run(folder / "run", write_image(folder))
    segment_tile(run, run.tiles[0], write_network(folder))
    return run


def changed(run: Run, section: str, **settings: Any) -> Run:
    part = getattr(run.config, section).model_copy(update=settings)
    return replace(run, config=run.config.model_copy(update={section: part}))


def last_report(run: Run) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run.tile_log(run.tiles[0]).read_text().splitlines()[-1])
    return report


def test_a_finished_tile_tells_calls_seconds_and_what_computed_them(half_done: Run) -> None:
    rate = measure(half_done).segment
    assert rate is not None
    report, size = last_report(half_done), half_done.tile_file(half_done.tiles[0]).stat().st_size
    voxels = 40 * 44 * 30
    assert rate.tiles == 1
    assert rate.calls_per_s * rate.seconds == pytest.approx(report["calls"], rel=0.02)  # milliseconds
    assert rate.seconds >= report["seconds"]
    assert rate.calls_per_1000_voxels == pytest.approx(1000 * report["calls"] / voxels)
    assert rate.bytes_per_voxel == pytest.approx(size / voxels)
    assert (rate.engine, rate.processor, rate.deltas) == (cpu_engine(NETWORK), processor(), (2, 2, 2))


def test_the_calls_of_a_finished_tile_foretell_those_of_the_whole_run(half_done: Run) -> None:
    """Its centres of FOVs: 40 x 44 x 27 with the context mirrored at five faces, of 40 x 44 x (27 + 27)."""
    assert expected(half_done, measure(half_done)).network_calls == 2 * last_report(half_done)["calls"]


@pytest.mark.parametrize(
    ("section", "setting"), [("inference", {"deltas": (3, 3, 3)}), ("data", {"image_mean": 99.0})]
)
def test_tiles_of_other_settings_do_not_count(half_done: Run, section: str, setting: dict[str, Any]) -> None:
    assert measure(changed(half_done, section, **setting)).segment is None


@pytest.mark.parametrize("now", [{"workers": 1}, {"workers": 2}, {"workers": 1, "tile_jobs": 2}])
def test_a_worker_was_as_fast_as_it_was_however_many_there_are_now(
    tmp_path: Path, now: dict[str, int]
) -> None:
    """Two tiles, segmented at the same time by two workers."""
    run = make_run(tmp_path / "run", write_image(tmp_path))
    for tile in run.tiles:
        segment_tile(run, tile, write_network(tmp_path))
    records = [record for tile in run.tiles if not isinstance(record := read(run.tile_file(tile)), Missing)]
    began = min(record["started"] for record in records)
    for tile, record in zip(run.tiles, records, strict=True):
        at_once = {k: v for k, v in record.items() if k != "seal"} | {"started": began}
        record_path(run.tile_file(tile)).write_bytes(sealed(at_once))
        line = json.loads(run.tile_log(tile).read_text().splitlines()[-1])
        line["time"] -= record["started"] - began
        run.tile_log(tile).write_text(json.dumps(line) + "\n")
    rate = measure(changed(run, "site", **now)).segment
    assert rate is not None
    assert rate.seconds == pytest.approx(sum(record["seconds"] for record in records), abs=0.002)


def test_a_rate_is_that_of_the_threads_that_a_worker_had(half_done: Run) -> None:
    """However many the settings give workers now."""
    rate = measure(changed(half_done, "site", threads_per_worker=8)).segment
    assert rate is not None
    assert rate.threads_per_worker == 1


def test_a_run_that_has_not_begun_has_no_rate(tmp_path: Path, half_done: Run) -> None:
    rates = measure(replace(half_done, folder=tmp_path))
    assert (rates.segment, rates.train) == (None, None)


def test_training_is_measured_over_all_intervals_of_its_log(tmp_path: Path, half_done: Run) -> None:
    run = replace(half_done, folder=tmp_path)
    run.logs_folder.mkdir()
    how = {"engine": "winograd", "dtype_policy": "float32"}
    entries = [{"fovs_seen": 100, "fovs_per_s": 10.0}, {"fovs_seen": 400, "fovs_per_s": 30.0, **how}]
    run.training_log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    rate = measure(run).train
    assert rate is not None
    assert rate.fovs_per_s == pytest.approx(400 / 20)
    assert (rate.engine, rate.precision) == ("winograd", "float32")


def test_a_training_that_other_ranks_began_is_measured_by_those_that_were_there_last(
    tmp_path: Path, half_done: Run
) -> None:
    """Eight ranks saw 800 FOVs, and two 100 more, before one takes over; two lines no checkpoint has."""
    run = changed(replace(half_done, folder=tmp_path), "training", ranks=1)
    run.logs_folder.mkdir()
    seen = [(400, 80.0), (800, 80.0), (850, 20.0), (900, 20.0), (950, 10.0), (1000, 10.0)]
    steps = {"step_s": 0.1, "step_s_std": 0.0}
    lines = [json.dumps({"fovs_seen": fovs, "fovs_per_s": rate, **steps}) for fovs, rate in seen]
    run.training_log.write_text("\n".join(lines) + "\n")
    history = (Stretch(800, ranks=8, threads_per_rank=2), Stretch(100, ranks=2, threads_per_rank=1))
    run.checkpoint_file.parent.mkdir()
    Checkpoint("of it", Progress(2, 75, history), WEIGHTS, [np.zeros(1)]).save(run.checkpoint_file)
    rate = measure(run).train
    assert rate is not None
    assert (rate.ranks, rate.threads_per_rank, rate.fovs_per_s) == (2, 1, pytest.approx(20.0))


@pytest.mark.parametrize(
    ("section", "now", "counts"),
    [
        ("training", {"batch_size": 16}, True),
        ("training", {"local_steps": 4}, True),
        ("network", {"depth": 9}, False),
        ("network", {"fov": (15, 15, 15)}, False),
    ],
)
def test_a_training_is_measured_as_it_was_started_whatever_the_settings_are_now(
    tmp_path: Path, half_done: Run, section: str, now: dict[str, Any], counts: bool
) -> None:
    """A network of other sizes, or batches as large as they are now, would be told to be as fast."""
    run = replace(half_done, folder=tmp_path)
    run.logs_folder.mkdir()
    run.config_file.write_text(dump_config(changed(run, "site", name="theta").config))
    run.training_log.write_text('{"fovs_seen": 100, "fovs_per_s": 10.0}\n')
    rates = measure(changed(run, section, **now))
    assert rates.site == "theta"
    if not counts:
        assert rates.train is None
        return
    assert rates.train is not None
    assert (rates.train.batch_size, rates.train.local_steps) == (run.config.training.batch_size, 1)


def test_rates_are_read_back_from_the_folder_or_the_file(half_done: Run) -> None:
    rates = measure(half_done)
    write_rates(half_done, rates)
    assert read_rates(half_done.folder, half_done) == rates
    assert read_rates(half_done.rates_file, half_done) == rates


@pytest.mark.parametrize(
    ("section", "setting", "said"),
    [
        ("network", {"depth": 3}, "are for network.depth 1; this run has 3"),
        ("inference", {"engine": "keras"}, r"are for inference.engine \w+; this run has keras"),
        ("inference", {"batch": 8}, "are for inference.batch 1; this run has 8"),
        ("site", {"threads_per_worker": 4}, "are for site.threads_per_worker 1; this run has 4"),
        ("site", {"name": "theta"}, "are for site.name local; this run has theta"),
    ],
)
def test_rates_of_something_else_are_refused(
    half_done: Run, section: str, setting: dict[str, Any], said: str
) -> None:
    write_rates(half_done, measure(half_done))
    with pytest.raises(InputError, match=said):
        read_rates(half_done.folder, changed(half_done, section, **setting))


def test_rates_of_another_training_are_refused_where_there_is_one_to_plan(half_done: Run) -> None:
    how = {"ranks": 2, "threads_per_rank": 1, "batch_size": 4, "fovs_per_s": 100}
    rate = TrainingRate.model_validate({**how, "engine": "winograd", "precision": "float32"})
    trained = changed(half_done, "network", checkpoint=None)
    write_rates(half_done, measure(half_done).model_copy(update={"train": rate}))
    for settings, said in (
        ({"engine": "keras"}, "are for training.engine winograd; this run has keras"),
        ({"precision": "mixed_bfloat16"}, "are for training.precision float32; this run has mixed_bfloat16"),
        ({"threads_per_rank": 2}, "are for training.threads_per_rank 1; this run has 2"),
    ):
        with pytest.raises(InputError, match=said):
            read_rates(half_done.folder, changed(trained, "training", **settings))
        given = changed(trained, "network", checkpoint="ffn.h5")
        assert read_rates(half_done.folder, changed(given, "training", **settings)).train == rate
    write_rates(half_done, measure(half_done).model_copy(update={"train": TrainingRate.model_validate(how)}))
    assert read_rates(half_done.folder, changed(trained, "training", engine="keras")), "it is not known"


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file"), ("{", "damaged"), ('{"site": 3}', "damaged")]
)
def test_rates_that_cannot_be_read_are_named_in_one_line(
    tmp_path: Path, half_done: Run, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "rates.json").write_text(text)
    with pytest.raises(InputError, match=f"rates {tmp_path}/rates.json.*{said}") as error:
        read_rates(tmp_path, half_done)
    assert "\n" not in str(error.value)
