"""Horovod's own threads: they leave the core to a rank that computes, and have it while ranks talk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from pipeline.training.ranks.horovod_ranks import rendezvous
from pipeline.training.ranks.horovod_threads import HorovodThreads

RANK = """
import os
from pipeline.training.ranks.horovod_ranks import Ranks
def giving_way():
    policies = [os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")]
    return policies.count(os.SCHED_BATCH)
ranks = Ranks()
print(os.sched_getscheduler(os.getpid()), giving_way())
with ranks.talking():
    print(giving_way())
print(giving_way(), ranks.gather("here"), giving_way())
ranks.leave()
"""


@pytest.mark.slow
def test_horovods_threads_give_way_but_while_ranks_talk() -> None:
    with rendezvous(1) as (environment,):
        whole = {**os.environ, **environment}
        said = subprocess.check_output([sys.executable, "-c", RANK], env=whole, text=True)
    own, computing, talking, before, heard, after = said.split()
    assert int(own) == os.SCHED_OTHER
    assert int(computing) > 0
    assert int(talking) == 0
    assert heard == "['here']"
    assert before == after == computing


def test_only_threads_that_began_in_the_context_give_way() -> None:
    end, threads = threading.Event(), HorovodThreads()
    earlier, meant, later = (threading.Thread(target=end.wait) for _ in range(3))
    earlier.start()
    with threads.begun():
        meant.start()
    later.start()

    def policies() -> list[int]:
        return [os.sched_getscheduler(each.native_id or 0) for each in (earlier, meant, later)]

    assert policies() == [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_OTHER]
    with threads.talking():
        assert policies() == [os.SCHED_OTHER] * 3
    assert policies() == [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_OTHER]
    end.set()
    for each in (earlier, meant, later):
        each.join()


def test_a_thread_that_has_ended_is_no_fault() -> None:
    threads, end = HorovodThreads(), threading.Event()
    thread = threading.Thread(target=end.wait)
    with threads.begun():
        thread.start()
    end.set()
    thread.join()
    with threads.talking():
        pass
