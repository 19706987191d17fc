"""A tile whose process is stopped in the middle: the next one goes on, to the same bytes."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bright_blocks import make_run, write_network

from pipeline.geometry import Tile
from pipeline.inference.engines.openvino import OpenVinoEngine
from pipeline.inference.segmenter import segment_tile
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run

REPOSITORY = Path(__file__).parents[4]
EVERY_SEED = 1e-9
ONLY_ON_SIGTERM = 1e9

AtCalls = Callable[[set[int], Callable[[], None]], None]

SEGMENT_AND_STOP = """
import os, pickle, sys
from pipeline.inference.engines.openvino import OpenVinoEngine
from pipeline.inference.segmenter import segment_tile

arguments, signum, at_call = pickle.load(sys.stdin.buffer)
predict, calls = OpenVinoEngine.predict, 0

def predict_and_stop(self, fovs):
    global calls
    calls += 1
    if calls == at_call:
        os.kill(os.getpid(), signum)
    return predict(self, fovs)

OpenVinoEngine.predict = predict_and_stop
segment_tile(*arguments)
print(calls)
"""
"""A worker of its own, which gets a signal in the middle of a network call and counts those that it made."""


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 bright cubes of different greys, 9 wide, on a dark ground."""
    rng = np.random.default_rng(5)
    image = np.full((40, 44, 48), 60, np.uint8)
    for z, y, x in np.ndindex(3, 3, 3):
        corner = [slice(3 + 12 * i, 12 + 12 * i) for i in (z, y, x)]
        image[tuple(corner)] = rng.integers(180, 230)
    image += rng.integers(0, 20, image.shape, np.uint8)
    path = tmp_path_factory.mktemp("image") / "image.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = image
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_network(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def undisturbed(
    image_file: Path, model: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, int]:
    """The tile file's bytes, and its network calls."""
    run, tile = a_tile(tmp_path_factory.mktemp("undisturbed"), image_file, ONLY_ON_SIGTERM)
    artifact = segment_tile(run, tile, model)
    with h5py.File(artifact.path) as file:
        assert len(file["segments"]) > 10, "objects to stop between"
        return Path(artifact.path).read_bytes(), int(file.attrs["calls"])


def a_tile(folder: Path, image_file: Path, checkpoint_every_s: float, **inference: Any) -> tuple[Run, Tile]:
    """Segmented by OpenVINO, whose calls are counted here."""
    inference = {"engine": "openvino", "tile": (40, 44, 48), "min_segment_voxels": 100, **inference}
    run = make_run(folder, image_file, checkpoint_every_s=checkpoint_every_s, **inference)
    return run, next(iter(run.grid))


def segment_elsewhere(
    run: Run, tile: Tile, model: Artifact, signum: int = 0, at_call: int = 0
) -> tuple[int, bytes]:
    """Segment in another process, which gets `signum` in its call `at_call`; its exit code and output."""
    ended = subprocess.run(
        [sys.executable, "-c", SEGMENT_AND_STOP],
        input=pickle.dumps(((run, tile, model), signum, at_call)),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        check=False,
    )
    return ended.returncode, ended.stdout


def resumed_at_seeds(run: Run, tile: Tile) -> int:
    last = json.loads(run.tile_log(tile).read_text().splitlines()[-1])
    assert last["seeds"] == last["seeds_total"]
    return int(last["resumed_at_seeds"])


@pytest.fixture
def at_calls(monkeypatch: pytest.MonkeyPatch) -> AtCalls:
    """Has something done in some of the network calls from now on; the calls themselves are as ever."""
    predict = OpenVinoEngine.predict

    def arrange(numbers: set[int], do: Callable[[], None]) -> None:
        count = itertools.count(1)

        def predict_and_do(self: OpenVinoEngine, fovs: np.ndarray) -> np.ndarray:
            if next(count) in numbers:
                do()
            return predict(self, fovs)

        monkeypatch.setattr(OpenVinoEngine, "predict", predict_and_do)

    return arrange


@pytest.fixture
def sigterm_handler() -> Iterator[Callable[[Any], object]]:
    """Sets the handler of SIGTERM for one test."""
    before = signal.getsignal(signal.SIGTERM)
    yield lambda handler: signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGTERM, before)


def terminate() -> None:
    # unlike os.kill, it cannot be taken by another thread, and come later
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("signum", "checkpoint_every_s"), [(signal.SIGTERM, ONLY_ON_SIGTERM), (signal.SIGKILL, EVERY_SEED)]
)
def test_a_tile_whose_process_was_killed_goes_on_to_the_same_bytes(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    signum: signal.Signals,
    checkpoint_every_s: float,
) -> None:
    expected, calls = undisturbed
    run, tile = a_tile(tmp_path, image_file, checkpoint_every_s)
    checkpoint = run.tile_checkpoint_file(tile)
    assert segment_elsewhere(run, tile, model, signum, at_call=calls // 2)[0] == -signum
    assert checkpoint.exists()
    assert not run.tile_file(tile).exists()
    lost = run.tile_marker(tile).exists()
    assert lost == (signum == signal.SIGKILL), "a job that has come to its end is no sign of full memory"

    status, output = segment_elsewhere(run, tile, model)
    assert status == 0
    assert calls // 2 <= int(output) < 0.7 * calls, "it made the second half of the calls only"
    assert run.tile_file(tile).read_bytes() == expected
    assert resumed_at_seeds(run, tile) > 0
    assert not checkpoint.exists()


@pytest.mark.parametrize("first", ["3", "2"])
def test_each_job_of_a_tile_tells_when_its_attempt_began_with_it_and_at_which_seed(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    monkeypatch: pytest.MonkeyPatch,
    first: str,
) -> None:
    _, calls = undisturbed
    run, tile = a_tile(tmp_path, image_file, ONLY_ON_SIGTERM)
    lines = []
    for attempt in (first, "3", "3"):
        monkeypatch.setenv("FFN_ATTEMPT", attempt)
        segment_elsewhere(run, tile, model, signal.SIGTERM, at_call=calls // 4)
        lines.append(json.loads(run.tile_log(tile).read_text().splitlines()[-1]))
    told = [(line["attempt_began"], line["attempt_began_at_seeds"]) for line in lines]
    assert 0 == lines[0]["resumed_at_seeds"] < lines[1]["resumed_at_seeds"] < lines[2]["resumed_at_seeds"]
    assert told[2] == told[1] == (told[0] if first == "3" else told[1])
    assert told[1][1] == (0 if first == "3" else lines[1]["resumed_at_seeds"])


def test_a_tile_that_is_stopped_again_and_again_ends_in_the_same_bytes(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    at_calls: AtCalls,
    sigterm_handler: Callable[[Any], object],
) -> None:
    def stop(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    expected, calls = undisturbed
    sigterm_handler(stop)
    run, tile = a_tile(tmp_path, image_file, ONLY_ON_SIGTERM)
    stops = 0
    for calls_until_stop in range(calls // 12, calls, 3):
        at_calls({calls_until_stop}, terminate)
        try:
            segment_tile(run, tile, model)
        except KeyboardInterrupt:
            stops += 1
            assert signal.getsignal(signal.SIGTERM) is stop
        else:
            break
    assert stops > 5
    assert run.tile_file(tile).read_bytes() == expected


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "of other settings"])
def test_a_checkpoint_that_cannot_be_trusted_is_ignored(
    tmp_path: Path, image_file: Path, model: Artifact, undisturbed: tuple[bytes, int], damage: str
) -> None:
    expected, calls = undisturbed
    run, tile = a_tile(tmp_path, image_file, ONLY_ON_SIGTERM)
    stopped, _ = a_tile(
        tmp_path, image_file, ONLY_ON_SIGTERM, move_threshold=0.8 if damage == "of other settings" else 0.9
    )
    segment_elsewhere(stopped, tile, model, signal.SIGTERM, at_call=calls // 2)
    checkpoint = run.tile_checkpoint_file(tile)
    content = bytearray(checkpoint.read_bytes())
    if damage == "a flipped bit":
        content[len(content) // 2] ^= 1
    elif damage == "cut short":
        del content[-100:]
    checkpoint.write_bytes(content)
    segment_tile(run, tile, model)
    assert run.tile_file(tile).read_bytes() == expected
    assert resumed_at_seeds(run, tile) == 0
    assert not checkpoint.exists()


def test_every_sigterm_that_its_handler_survives_is_handled_once_after_a_checkpoint(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    at_calls: AtCalls,
    sigterm_handler: Callable[[Any], object],
) -> None:
    expected, calls = undisturbed
    run, tile = a_tile(tmp_path, image_file, ONLY_ON_SIGTERM)
    handled = []

    def handle(signum: int, frame: object) -> None:
        checkpoint = run.tile_checkpoint_file(tile)
        handled.append(checkpoint.exists())
        checkpoint.unlink(missing_ok=True)

    sigterm_handler(handle)
    at_calls({calls // 3, calls // 2, calls}, terminate)
    segment_tile(run, tile, model)
    assert handled == [True, True, True]
    assert signal.getsignal(signal.SIGTERM) is handle
    assert run.tile_file(tile).read_bytes() == expected


def test_an_ignored_sigterm_stays_ignored(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    at_calls: AtCalls,
    sigterm_handler: Callable[[Any], object],
) -> None:
    expected, calls = undisturbed
    run, tile = a_tile(tmp_path, image_file, ONLY_ON_SIGTERM)
    sigterm_handler(signal.SIG_IGN)
    at_calls({calls // 2}, terminate)
    segment_tile(run, tile, model)
    assert run.tile_file(tile).read_bytes() == expected


def test_a_tile_in_a_thread_saves_checkpoints_but_leaves_signals_alone(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    at_calls: AtCalls,
) -> None:
    expected, calls = undisturbed
    run, tile = a_tile(tmp_path, image_file, EVERY_SEED)
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    at_calls(
        {calls - 1},
        lambda: seen.extend([run.tile_checkpoint_file(tile).exists(), signal.getsignal(signal.SIGTERM)]),
    )
    thread = threading.Thread(target=segment_tile, args=(run, tile, model))
    thread.start()
    thread.join()
    assert seen == [True, before]
    assert run.tile_file(tile).read_bytes() == expected


def test_a_tile_is_finished_even_where_no_checkpoint_can_be_written(
    tmp_path: Path,
    image_file: Path,
    model: Artifact,
    undisturbed: tuple[bytes, int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, tile = a_tile(tmp_path, image_file, EVERY_SEED)
    (tmp_path / "no folder").touch()
    monkeypatch.setattr(Run, "tile_checkpoint_file", lambda run, tile: tmp_path / "no folder" / tile.name)
    segment_tile(run, tile, model)
    assert run.tile_file(tile).read_bytes() == undisturbed[0]
    assert f"cannot write {run.tile_checkpoint_file(tile)}" in caplog.text


def test_how_often_checkpoints_are_written_does_not_make_a_tile_again(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run, tile = a_tile(tmp_path, image_file, 60)
    changed = Path(segment_tile(run, tile, model).path).stat().st_mtime_ns
    often, _ = a_tile(tmp_path, image_file, 1)
    assert Path(segment_tile(often, tile, model).path).stat().st_mtime_ns == changed
