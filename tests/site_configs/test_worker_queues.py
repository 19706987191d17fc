"""What a killed process had put is there, and a lock that it had is known to be lost."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable
from multiprocessing.context import SpawnContext
from typing import Any

import pytest

from site_configs.worker_queues import Locks
from tests.site_configs.deadly import lock_and_die, put_and_die


@pytest.fixture
def context() -> SpawnContext:
    return SpawnContext()


def end_of(context: SpawnContext, target: Callable[..., None], *arguments: Any) -> None:
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -9


def test_what_a_process_put_before_it_was_killed_is_there(context: SpawnContext) -> None:
    Locks(context)
    results = context.Queue()
    for number in range(5):
        end_of(context, put_and_die, results, (number, "x" * 10_000))
        assert results.get(timeout=60)[0] == number
    assert results.qsize() == 0


def test_pythons_own_queue_loses_it(context: SpawnContext) -> None:
    """Why there is one of ours."""
    results = context.Queue()
    for _ in range(20):  # few bytes: all of them fit into a pipe that nobody reads
        end_of(context, put_and_die, results, "x")
    assert results.qsize() == 20  # so it counts
    with pytest.raises(queue.Empty):
        all(results.get(timeout=2) for _ in range(20))


def test_the_pool_itself_does_not_wait_for_a_reader(context: SpawnContext) -> None:
    Locks(context)
    tasks = context.Queue()
    tasks.put(bytes(1_000_000))  # more than a pipe holds
    assert tasks.qsize() == 1
    assert tasks.get(timeout=60) == bytes(1_000_000)


def test_a_full_queue_says_so(context: SpawnContext, monkeypatch: pytest.MonkeyPatch) -> None:
    Locks(context)
    results = context.Queue(1)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the pool")
    results.put(1)
    with pytest.raises(queue.Full):
        results.put(2, timeout=0.01)


@pytest.mark.parametrize("kind", ["queue", "value"])
def test_a_lock_that_died_with_its_holder_is_known(context: SpawnContext, kind: str) -> None:
    locks = Locks(context)
    made = {"queue": context.Queue(), "value": context.Value("i", 0)}
    assert not locks.lost(0.1)
    lock = made["queue"]._wlock if kind == "queue" else made["value"].get_lock()  # type: ignore[attr-defined]
    end_of(context, lock_and_die, lock)
    assert locks.lost(0.1)
