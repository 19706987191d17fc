"""A network shared by several workers: each gets what it would get alone, whoever fills the batch."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from bright_blocks import make_run, write_image, write_network

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.network import build_network, network_variables
from pipeline.ffn.weights import write_weights
from pipeline.inference.engines import Loading, load
from pipeline.inference.engines.batches import Batch, check_independence
from pipeline.inference.engines.shared import SharedEngine
from pipeline.inference.segmenter import segment_tile
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.attempts.fencing import ATTEMPT

SMALL = Network(fov=(9, 11, 13), deltas=(2, 2, 2), depth=2, features=4)
WAIT_S = 30


@pytest.fixture
def loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loading]:
    """What is needed to load a small network of random weights, in batches of three."""
    # part of the key by which workers find each other: other tests' networks have other ones
    monkeypatch.setenv(ATTEMPT, str(tmp_path))
    path = tmp_path / "ffn.h5"
    model = build_network(SMALL)
    rng = np.random.default_rng(4)
    for variable in model.trainable_variables:  # a network fresh from its seed would answer 0 everywhere
        variable.assign(rng.normal(0, np.sqrt(1 / np.prod([3, *variable.shape[:-1]])), variable.shape))
    write_weights(network_variables(model), SMALL, path)

    def make(engine: str = "openvino", precision: str = "float32", network: Network = SMALL) -> Loading:
        model = Artifact(str(path), file_sha256(path))
        return Loading(model, network, engine, precision, batch=3, threads=1)

    return make


def servers() -> list[psutil.Process]:
    """The processes that run a network for this one."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "pipeline.inference.engines.batches" in child.cmdline()
    ]


@pytest.fixture(autouse=True)
def _no_server_stays() -> Iterator[None]:
    yield
    deadline = time.monotonic() + WAIT_S
    while servers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not servers()


def fovs_of(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *SMALL.fov, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("engine", "precision"),
    [
        ("openvino", "float32"),
        ("openvino", "bfloat16"),
        ("keras", "float32"),
        pytest.param("keras", "bfloat16", marks=pytest.mark.thorough),  # slow where the CPU has none
    ],
)
def test_each_of_many_clients_gets_what_it_would_get_alone(
    loading: Callable[..., Loading], engine: str, precision: str
) -> None:
    what = loading(engine, precision)
    asked = fovs_of(1, 5 * 12).reshape(5, 12, 1, *SMALL.fov, 2)

    def ask(own: np.ndarray) -> list[np.ndarray]:
        client = SharedEngine(what)
        assert (client.name, client.precision) == with_all
        return [client.predict(fov) for fov in own]

    # by a process of its own, as here TensorFlow may have computed, and keeps the threads that it has
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
        with_all, answers = one.submit(alone, what, asked).result()
    with ThreadPoolExecutor(len(asked)) as clients:
        np.testing.assert_array_equal(list(clients.map(ask, asked)), answers)


def alone(what: Loading, asked: np.ndarray) -> tuple[tuple[str, str], list[list[np.ndarray]]]:
    """What a network that nobody shares is called and answers."""
    engine = load(what)
    answers = [[engine.predict(np.repeat(fov, 3, axis=0))[:1].copy() for fov in own] for own in asked]
    return (engine.name, engine.precision), answers


def test_clients_share_one_process_and_it_ends_with_the_last_of_them(
    loading: Callable[..., Loading],
) -> None:
    clients = [SharedEngine(loading()) for _ in range(2)]
    assert len(servers()) == 1
    for fovs in fovs_of(2, 2):
        clients.pop().predict(fovs[np.newaxis])  # a batch that nobody else fills


def test_where_the_network_is_killed_another_answers(loading: Callable[..., Loading]) -> None:
    client, fovs = SharedEngine(loading()), fovs_of(3, 1)
    before = client.predict(fovs)
    (server,) = servers()
    server.kill()
    server.wait()
    np.testing.assert_array_equal(client.predict(fovs), before)


def test_workers_that_are_told_to_end_still_get_their_answer(loading: Callable[..., Loading]) -> None:
    client, fovs = SharedEngine(loading()), fovs_of(4, 1)
    (server,) = servers()
    server.terminate()
    client.predict(fovs)
    assert servers() == [server]


def test_what_is_wrong_with_a_network_is_told_to_everyone_who_asked_for_it(
    loading: Callable[..., Loading],
) -> None:
    what = loading(network=SMALL.model_copy(update={"depth": 5}))
    with ThreadPoolExecutor(3) as clients:
        for client in [clients.submit(SharedEngine, what) for _ in range(3)]:
            with pytest.raises(InputError, match="the configured network has depth 5"):
                client.result()


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_network_whose_answers_depend_on_the_batch_is_refused(size: int) -> None:
    class Mixed:
        name, precision = "mixed", "float32"

        def predict(self, fovs: np.ndarray) -> np.ndarray:
            return fovs[..., :1] + fovs.mean()

    with pytest.raises(InputError, match=rf"inference\.batch is {size}, but on mixed in float32 what"):
        check_independence(Mixed(), size, SMALL.fov)


@pytest.mark.parametrize("place", range(4))
def test_so_is_one_that_answers_otherwise_at_one_place_of_the_batch(place: int) -> None:
    class Uneven:
        name, precision = "uneven", "float32"

        def predict(self, fovs: np.ndarray) -> np.ndarray:
            found = fovs[..., :1].copy()
            found[place, 0, 0, 0] += 1e-6
            return found

    with pytest.raises(InputError, match=r"depends on the others in its batch or its place there"):
        check_independence(Uneven(), 4, SMALL.fov)


def test_an_error_of_the_network_reaches_who_asked_even_one_that_cannot_be_sent() -> None:
    class Broken:
        name, precision = "broken", "float32"

        def predict(self, fovs: np.ndarray) -> np.ndarray:
            class LocalError(Exception):
                """Pickle does not find it again."""

            raise LocalError("ResourceExhausted")

    batch = Batch(2, SMALL.fov)
    asking, asked = multiprocessing.Pipe()
    asking.send_bytes(fovs_of(5, 1)[0].data)
    batch.receive(asked)
    batch.answer(Broken())
    with pytest.raises(RuntimeError, match="LocalError: ResourceExhausted"):
        raise pickle.loads(asking.recv_bytes())


@pytest.mark.slow
def test_tiles_are_the_same_however_many_are_in_flight(tmp_path: Path) -> None:
    image, model = write_image(tmp_path), write_network(tmp_path)
    tiles = {}
    for workers in (1, 2):
        run = make_run(tmp_path / f"run{workers}", image, batch=2)
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            made = [pool.submit(segment_tile, run, tile, model) for tile in run.tiles]
            tiles[workers] = [task.result().sha256 for task in made]
    assert len(tiles[1]) == 2
    assert tiles[1] == tiles[2]
