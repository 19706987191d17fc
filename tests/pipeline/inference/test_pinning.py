"""One engine a run: who is first pins it, the others keep to it, and who cannot says so."""

from __future__ import annotations

import importlib.util
import multiprocessing
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import h5py
import pytest
from bright_blocks import NETWORK, make_run

from pipeline.errors import InputError
from pipeline.ffn.winograd import compiled
from pipeline.geometry import Box
from pipeline.inference import engines
from pipeline.inference.engines import choose, precisions_on_gpu
from pipeline.inference.engines import openvino as openvino_module
from pipeline.inference.environment import environment_of, mixture
from pipeline.inference.pinning import keep_pin, pinned, publish, with_pin
from pipeline.inference.segmenter import segment_tile
from pipeline.machine import gpus, processor
from pipeline.results.artifacts import Artifact
from pipeline.results.records import read
from pipeline.run_folder import Run
from pipeline.settings.engine_pin import EnginePin

WORKERS = 4
ROUNDS = 25


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    """OpenVINO, whose precisions depend on the CPU, is what `auto` comes to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "library", lambda network: None)
        yield


@pytest.fixture(scope="module")
def half_done(tmp_path_factory: pytest.TempPathFactory, image_file: Path, model: Artifact) -> Run:
    """A run of two tiles, the first of which is finished; it is not to be changed."""
    run = make_run(tmp_path_factory.mktemp("half"), image_file)
    segment_tile(run, run.tiles[0], model)
    return run


def pin_of(engine: str, precision: str = "float32", host: str = "node7") -> EnginePin:
    return EnginePin({"engine": engine, "precision": precision}, "auto", host)


def asking(run: Run, **inference: Any) -> Run:
    """The run with other settings of inference."""
    settings = run.config.inference.model_copy(update=inference)
    return replace(run, config=run.config.model_copy(update={"inference": settings}))


def _race(run: Run, worker: int, start: Barrier, folder: Path) -> None:
    for number in range(ROUNDS):
        here = replace(run, folder=folder / str(number))
        here.engine_file.parent.mkdir(parents=True, exist_ok=True)
        start.wait(60)
        said = publish(here, pin_of("openvino", host=f"node{worker}")).host
        (here.folder / f"{worker}.said").write_text(said)


def test_of_all_who_pin_at_the_same_moment_one_is_first_and_all_follow_it(
    half_done: Run, tmp_path: Path
) -> None:
    start = multiprocessing.Barrier(WORKERS)
    workers = [
        multiprocessing.Process(target=_race, args=(half_done, worker, start, tmp_path))
        for worker in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        said = {path.read_text() for path in folder.glob("*.said")}
        assert len(said) == 1, (number, said)
        assert said == {pinned_in(replace(half_done, folder=folder)).host}
        assert [path.name for path in (folder / "tiles").iterdir()] == ["engine.json"]


def pinned_in(run: Run) -> EnginePin:
    found = pinned(run).pin
    assert found is not None
    return found


def test_the_first_worker_pins_what_auto_came_to_and_its_tile_says_in_what_environment(
    half_done: Run,
) -> None:
    pin, environment = pinned_in(half_done), environment_of(*choose(NETWORK, "auto", "auto"))
    assert (pin.engine, pin.host, pin.asked_precision) == ("openvino", socket.gethostname(), "auto")
    assert pin.environment == environment
    assert {"cpu", "numpy", "openvino"} < environment.keys()
    record = read(half_done.tile_file(half_done.tiles[0]))
    assert isinstance(record, dict)
    assert record["environment"] == environment
    assert record["settings"]["inference"]["engine"] == "openvino"
    assert record["settings"]["inference"]["precision"] == pin.precision


def test_a_worker_takes_the_pinned_engine_where_the_settings_leave_it_open(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path, image_file)
    publish(run, pin_of("keras"))
    with h5py.File(segment_tile(run, run.tiles[0], model).path) as file:
        assert (file.attrs["engine"], file.attrs["precision"]) == ("keras on tensorflow", "float32")


def test_the_engine_and_precision_written_out_make_no_tile_again(half_done: Run, model: Artifact) -> None:
    pin = pinned_in(half_done)
    written_out = asking(half_done, engine=pin.engine, precision=pin.precision)
    changed = half_done.tile_file(half_done.tiles[0]).stat().st_mtime_ns
    for run in (written_out, with_pin(written_out), with_pin(half_done)):
        segment_tile(run, run.tiles[0], model)
    assert half_done.tile_file(half_done.tiles[0]).stat().st_mtime_ns == changed


def test_a_worker_whose_cpu_lacks_the_engine_is_refused_in_one_line(half_done: Run, model: Artifact) -> None:
    run = replace(half_done, pin=pin_of("winograd"))  # which is not compiled here
    with pytest.raises(InputError) as caught:
        segment_tile(run, run.tiles[1], model)
    own, here = choose(NETWORK, "auto", "auto"), socket.gethostname()
    assert str(caught.value) == (
        f"the tiles of this run are made by winograd in float32, as pinned by host node7; host {here} does "
        f"not have that, but openvino in {own.precision}: use hosts like node7 only, or set "
        f"inference.engine: openvino and inference.precision: {own.precision} for all, with --discard"
    )
    assert not run.tile_file(run.tiles[1]).exists()


def test_a_worker_without_the_library_is_refused(
    half_done: Run, model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "pipeline.inference.engines.openvino")
    with pytest.raises(InputError, match=r"made by openvino in .* does not have that, but keras in float32"):
        segment_tile(half_done, half_done.tiles[1], model)


def test_a_worker_whose_cpu_lacks_the_precision_is_refused(
    half_done: Run, model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = replace(half_done, pin=pin_of("openvino", "bfloat16"))
    monkeypatch.setattr(openvino_module, "capabilities", lambda: {"float32"})
    with pytest.raises(InputError, match=r"by openvino in bfloat16, .*, but openvino in float32"):
        segment_tile(run, run.tiles[1], model)


def test_later_starts_find_the_pin_with_the_tiles_also_where_its_file_is_lost(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path, image_file)
    assert with_pin(run).pin is None
    publish(run, pin_of("keras"))
    assert with_pin(run).pin is None, "no tile is finished"
    run.engine_file.unlink()
    segment_tile(run, run.tiles[0], model)
    pin = with_pin(run).pin
    assert pin == pinned_in(run)
    run.engine_file.write_bytes(run.engine_file.read_bytes()[:-1])
    assert with_pin(run).pin == replace(pin, asked_precision=pin.precision)
    run.engine_file.unlink()
    assert with_pin(run).pin == replace(pin, asked_precision=pin.precision)
    keep_pin(with_pin(run))
    assert pinned_in(run) == with_pin(run).pin
    kept = run.engine_file.stat().st_mtime_ns
    keep_pin(with_pin(run))
    assert run.engine_file.stat().st_mtime_ns == kept, "what is whole is not written again"
    keep_pin(replace(run, pin=None))
    assert not run.engine_file.exists()


def test_settings_that_ask_for_another_engine_or_precision_are_not_pinned(half_done: Run) -> None:
    pin = pinned_in(half_done)
    (other,) = {"float32", "bfloat16"} - {pin.precision}
    assert with_pin(asking(half_done, engine="keras")).pin is None
    assert with_pin(asking(half_done, precision=other)).pin is None
    with pytest.raises(InputError, match=r"engine\.json says openvino in"):
        pinned(asking(half_done, engine="keras"))


def test_a_precision_that_the_first_machine_did_not_have_may_stay_in_the_settings(half_done: Run) -> None:
    pin = replace(pin_of("winograd"), asked_precision="bfloat16")
    asked = half_done.config.inference.model_copy(update={"precision": "bfloat16"})
    assert pin.fits(asked)
    assert pin.applied_to(asked).precision == "float32"
    assert not pin_of("winograd").fits(asked)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_precision_taken_out_of_the_settings_does_not_stay(half_done: Run, precision: str) -> None:
    auto = half_done.config.inference
    asked_for = replace(pin_of("openvino", precision), asked_precision=precision)
    assert not asked_for.fits(auto)
    assert asked_for.fits(auto.model_copy(update={"precision": precision}))
    assert replace(asked_for, asked_precision="auto").fits(auto), "as an earlier version took auto"
    assert pin_of("torch", "tensorfloat32").fits(auto)


def test_a_damaged_pin_is_told_by_a_worker_and_not_taken(tmp_path: Path, image_file: Path) -> None:
    run = make_run(tmp_path, image_file)
    run.engine_file.parent.mkdir()
    run.engine_file.write_text("{}")
    with pytest.raises(InputError, match=r"engine\.json is damaged"):
        pinned(run)


@pytest.fixture
def a_gpu_may_be_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gpus, "find", lambda: gpus.Gpus("nvidia", 1))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    precisions_on_gpu.cache_clear()
    yield
    precisions_on_gpu.cache_clear()


@pytest.mark.usefixtures("a_gpu_may_be_here")
@pytest.mark.parametrize(
    ("torch_says", "keras_says", "chosen"),
    [
        ("", "", ("openvino", "float32")),
        ("", "tensorfloat32 float32", ("keras", "float32")),
        ("float32 float16", "tensorfloat32 float32", ("torch", "float32")),
    ],
)
def test_where_a_gpu_may_be_its_libraries_are_asked_in_processes_of_their_own(
    monkeypatch: pytest.MonkeyPatch, torch_says: str, keras_says: str, chosen: tuple[str, str]
) -> None:
    says = {"torch": torch_says, "keras": keras_says}
    monkeypatch.setattr(engines, "module_command", lambda module: ["echo", says[module.rpartition(".")[2]]])
    assert choose(NETWORK, "auto", "float32") == chosen


@pytest.mark.usefixtures("a_gpu_may_be_here")
def test_on_a_gpu_auto_is_what_its_library_names_first_and_so_is_a_precision_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "module_command", lambda _: ["echo", "tensorfloat32 float32 float16"])
    asked = ("auto", "bfloat16", "float32", "float16")
    found = [choose(NETWORK, "torch", precision).precision for precision in asked]
    assert found == ["tensorfloat32", "tensorfloat32", "float32", "float16"]


@pytest.mark.usefixtures("a_gpu_may_be_here")
def test_a_library_that_cannot_be_loaded_finds_no_gpu_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "module_command", lambda _: ["false"])
    assert choose(NETWORK, "auto", "float32").engine == "openvino"
    assert "torch cannot be loaded here, and is taken to find no GPU" in caplog.text


def test_torch_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="'torch', but PyTorch is not installed here"):
        choose(NETWORK, "torch", "auto")


def test_what_differs_between_environments_is_told_with_the_tiles_of_each() -> None:
    one = {"engine": "openvino", "numpy": "2.1.0", "cpu": "x86_64 avx2"}
    other = {**one, "numpy": "2.2.0"}
    assert mixture([]) is None
    assert mixture([one, dict(one)]) is None
    assert mixture([one, other, one]) == (
        "tiles come from 2 environments and may differ in bits: 2 with numpy 2.1.0; 1 with numpy 2.2.0"
    )
    assert mixture([one, {}]) == (
        "tiles come from 2 environments and may differ in bits: "
        "1 with cpu x86_64 avx2, engine openvino, numpy 2.1.0; 1 with none of these known"
    )


def test_the_cpu_and_the_backend_of_keras_are_part_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(processor, "cpu_flags", lambda: frozenset({"avx2", "sse"}))
    found = environment_of("keras", "float32")
    assert found["KERAS_BACKEND"] == "jax"
    assert found["cpu"].endswith(" avx2")
    assert "tensorflow" not in found


@pytest.mark.parametrize("engine", ["auto", "torch", "keras"])
def test_a_worker_without_a_gpu_that_its_site_promises_is_refused_by_name(
    tmp_path: Path, image_file: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(gpus, "find", lambda: None)
    precisions_on_gpu.cache_clear()
    run = on_site_with_gpus(make_run(tmp_path, image_file), engine)
    with pytest.raises(
        InputError, match=r"finds no GPU: site mylab has 2 a node .*drivers show none"
    ) as told:
        pinned(run)
    assert socket.gethostname() in str(told.value)
    assert not run.engine_file.exists()


def test_an_engine_for_cpus_that_is_asked_for_by_name_is_what_the_user_wants(
    tmp_path: Path, image_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "find", lambda: None)
    precisions_on_gpu.cache_clear()
    pinned(on_site_with_gpus(make_run(tmp_path, image_file), "openvino"))


def on_site_with_gpus(run: Run, engine: str) -> Run:
    site = run.config.site.model_copy(update={"name": "mylab", "gpus_per_node": 2})
    inference = run.config.inference.model_copy(update={"engine": engine, "precision": "float32"})
    run.engine_file.parent.mkdir(exist_ok=True)
    return replace(run, config=run.config.model_copy(update={"site": site, "inference": inference}))


def test_what_a_network_was_tried_by_is_kept_by_the_next_start(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    whole = make_run(tmp_path, image_file)
    choice = {"choose_by": "segmentation", "validation_box": Box.parse("0:20,0:44,0:24")}
    training = whole.config.training.model_copy(update=choice)
    run = replace(whole, config=whole.config.model_copy(update={"training": training}))
    trial = run.trials[0]
    segment_tile(trial, trial.tiles[0], model)
    assert trial.engine_file == run.engine_file
    again = with_pin(run)
    keep_pin(again)
    assert again.pin == pinned_in(run)
    assert run.engine_file.exists()
