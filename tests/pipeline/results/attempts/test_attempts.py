"""Attempts: one owner at a time, a number each, a record, and nothing left of those before."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from pipeline.errors import InputError, Superseded, Unreadable
from pipeline.results.attempts import Owner, begin, fence, ownership, processes_of, read_attempts, read_owner
from pipeline.results.attempts.fencing import number_file
from pipeline.results.attempts.owner import is_alive
from pipeline.results.attempts.ownership import Ownership
from tests.denied import denied, end_loop, make_loop

OWNER = """
import sys, time
from pathlib import Path
from pipeline.results.attempts import begin
with begin(Path(sys.argv[1]), "seed: 1", print) as attempt:
    print(attempt.number, flush=True)
    time.sleep(600)
"""


@contextmanager
def another_driver(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that owns `folder` until it is killed."""
    command = [sys.executable, "-c", OWNER, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def nothing(_: str) -> None:
    pass


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_a_second_driver_is_refused_with_the_owner_named_and_touches_nothing(tmp_path: Path) -> None:
    with another_driver(tmp_path) as owner:
        before = files(tmp_path)
        with pytest.raises(InputError) as refusal, begin(tmp_path, "", nothing):
            pass
        assert files(tmp_path) == before
    for named in (socket.gethostname(), f"pid {owner.pid}", "since 20", sys.executable):
        assert named in str(refusal.value)
    assert "\n" not in str(refusal.value).replace(OWNER, "")


def test_a_copy_of_a_folder_is_nobodys_while_its_driver_works_in_the_first_wherever_that_goes(
    tmp_path: Path,
) -> None:
    first, copied = tmp_path / "first", tmp_path / "copied"
    first.mkdir()
    with another_driver(first):
        owner = read_owner(first)
        assert owner is not None
        shutil.copytree(first, copied)
        assert is_alive(first, owner)
        assert not is_alive(copied, owner)
        assert processes_of(copied) == []
        moved = first.rename(tmp_path / "moved")
        assert is_alive(moved, owner)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        os.link(moved / "owner.json", elsewhere / "owner.json")
        (moved / "owner.json").unlink()
        assert is_alive(elsewhere, owner), "by what it has open, which in a container has another name"


def test_the_folder_is_free_as_soon_as_its_driver_is_killed(tmp_path: Path) -> None:
    with another_driver(tmp_path) as owner:
        owner.kill()
        owner.wait()
        with begin(tmp_path, "", nothing) as attempt:
            assert attempt.number == 2


def test_a_child_of_the_driver_does_not_keep_the_folder(tmp_path: Path) -> None:
    with begin(tmp_path, "", nothing):
        # a child with another environment is none of the leftovers that are ended
        child = subprocess.Popen(["sleep", "60"], env={}, close_fds=False)
    try:
        with begin(tmp_path, "", nothing) as attempt:
            assert attempt.number == 2
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(("age_s", "respected"), [(5, True), (300, False)])
def test_an_owner_on_another_host_lives_by_its_heartbeat(tmp_path: Path, age_s: int, respected: bool) -> None:
    owner = Owner("elsewhere", "somebody", 42, 0.0, "2026-01-01T00:00:00+00:00", "ffn-pipeline", 3)
    (tmp_path / "owner.json").write_text(json.dumps(asdict(owner)))
    beat = time.time() - age_s
    os.utime(tmp_path / "owner.json", (beat, beat))
    if respected:
        with pytest.raises(InputError, match="elsewhere, pid 42"), begin(tmp_path, "", nothing):
            pass
    else:
        with begin(tmp_path, "", nothing):
            found = read_owner(tmp_path)
            assert found is not None
            assert found.host == socket.gethostname()


@pytest.mark.parametrize("lives", [True, False])
def test_an_owner_whose_clock_is_ahead_is_respected_only_if_it_gives_another_sign_of_life(
    tmp_path: Path, lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "WATCHED_FOR_S", 30.0 if lives else 0.2)
    owner = Owner("elsewhere", "somebody", 42, 0.0, "2026-01-01T00:00:00+00:00", "ffn-pipeline", 3)
    (tmp_path / "owner.json").write_text(json.dumps(asdict(owner)))
    ahead, said, over = time.time() + 3600, list[str](), threading.Event()

    def beat() -> None:
        for number in itertools.count():
            os.utime(tmp_path / "owner.json", (ahead + number, ahead + number))
            if not lives or over.wait(0.05):
                return

    os.utime(tmp_path / "owner.json", (ahead, ahead))
    beating = threading.Thread(target=beat)
    beating.start()
    if lives:
        with pytest.raises(InputError, match=r"elsewhere, pid 42.* it is alive"):
            Ownership.take(tmp_path, said.append)
        assert not (tmp_path / "logs").exists()
    else:
        beating.join()
        with begin(tmp_path, "", said.append) as attempt:
            assert attempt.number == 1
    over.set()
    beating.join()
    assert "s after the time of this machine: waiting up to" in said[0]


def test_an_attempt_in_the_environment_that_is_no_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFN_RUN", str(tmp_path))
    monkeypatch.setenv("FFN_ATTEMPT", "abc")
    with pytest.raises(InputError, match="FFN_ATTEMPT='abc'; expected the number of an attempt"), fence():
        pass


def test_an_owner_that_ended_in_order_is_followed_at_once_from_another_host(tmp_path: Path) -> None:
    with begin(tmp_path, "", nothing):
        pass
    document = json.loads((tmp_path / "owner.json").read_text())
    (tmp_path / "owner.json").write_text(json.dumps({**document, "host": "elsewhere"}))
    with begin(tmp_path, "", nothing) as attempt:
        assert attempt.number == 2


def test_a_driver_whose_folder_was_taken_or_removed_is_told(tmp_path: Path) -> None:
    with begin(tmp_path, "", nothing) as attempt:
        attempt.check()
        (tmp_path / "owner.json").rename(tmp_path / "aside")
        with pytest.raises(Superseded, match="is gone"):
            attempt.check()
        with another_driver(tmp_path) as newer, pytest.raises(Superseded, match=f"pid {newer.pid}"):
            attempt.check()


def test_who_cannot_read_whose_the_folder_is_does_not_take_it(public_folder: Path) -> None:
    with begin(public_folder, "", nothing) as attempt:
        attempt.end(0)
    before = files(public_folder)
    with denied(public_folder / "owner.json"):
        with pytest.raises(Unreadable, match=r"owner\.json.*: Permission denied"):
            read_owner(public_folder)
        with pytest.raises(InputError, match=r"owner\.json.*: Permission denied"):
            begin(public_folder, "", nothing).__enter__()
    make_loop(public_folder / "attempt")
    with pytest.raises(Unreadable, match="attempt: Too many levels"):
        begin(public_folder, "", nothing).__enter__()
    end_loop(public_folder / "attempt")
    assert files(public_folder) == before


def test_a_folder_that_cannot_be_read_for_a_while_is_not_lost(tmp_path: Path) -> None:
    with begin(tmp_path, "", nothing) as attempt:
        for name in ("owner.json", "attempt"):
            make_loop(tmp_path / name)
            with pytest.raises(Unreadable, match=name):
                attempt.check()
            end_loop(tmp_path / name)
        make_loop(tmp_path / "attempt")
        with pytest.raises(Unreadable, match="attempt"), fence():
            pytest.fail("the fence was open")
        end_loop(tmp_path / "attempt")
        attempt.check()
        make_loop(tmp_path / "owner.json")
        attempt.end(0)
        make_loop(tmp_path / "logs" / "attempts.jsonl")
        with pytest.raises(Unreadable, match=r"attempts\.jsonl"):
            read_attempts(tmp_path)
        end_loop(tmp_path / "logs" / "attempts.jsonl")
    assert [a["exit"] for a in read_attempts(tmp_path)] == [0]


def test_numbers_go_on_where_the_number_file_was_lost(tmp_path: Path) -> None:
    for _ in range(2):
        with begin(tmp_path, "", nothing):
            pass
    number_file(tmp_path).unlink()
    with begin(tmp_path, "", nothing) as attempt:
        assert attempt.number == 3


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def test_what_an_older_attempt_left_running_is_ended_and_told(tmp_path: Path) -> None:
    environment = {**os.environ, "FFN_RUN": str(tmp_path), "FFN_ATTEMPT": "1"}
    rank = [sys.executable, "-c", DEAF, "pipeline.training.ranks.rank"]
    leftover = subprocess.Popen(rank, env=environment, stdout=subprocess.PIPE)
    other = subprocess.Popen(["sleep", "60"], env={**environment, "FFN_RUN": str(tmp_path / "other")})
    assert leftover.stdout is not None
    leftover.stdout.readline()
    try:
        assert [(p.pid, p.kind, p.attempt) for p in processes_of(tmp_path)] == [(leftover.pid, "rank", 1)]
        said: list[str] = []
        with begin(tmp_path, "", said.append):
            assert [p.kind for p in processes_of(tmp_path)] == ["driver"]
        assert said == ["ended what an older attempt had left running: 1 rank"]
        assert not psutil.pid_exists(leftover.pid)
        assert other.poll() is None
    finally:
        for process in (leftover, other):
            process.kill()
            process.wait()


def test_every_attempt_is_recorded_with_its_end(tmp_path: Path) -> None:
    with begin(tmp_path, "seed: 1\n", nothing) as attempt:
        attempt.end(0)
    with suppress(KeyboardInterrupt), begin(tmp_path, "seed: 2\n", nothing):
        raise KeyboardInterrupt
    with another_driver(tmp_path):
        assert read_attempts(tmp_path)[-1]["exit"] is None
    first, second, died = read_attempts(tmp_path)
    assert [(a["attempt"], a["exit"]) for a in (first, second, died)] == [
        (1, 0),
        (2, "interrupted"),
        (3, None),
    ]
    assert (first["pid"], first["cwd"]) == (os.getpid(), os.getcwd())
    assert {"parsl", "tensorflow-cpu", "horovod"} <= set(first["packages"])
    assert (first["commit"] is None) == (first["dirty"] is None)
    assert (tmp_path / "logs" / "attempts" / "0002.yaml").read_text() == "seed: 2\n"


def test_what_ended_an_attempt_is_recorded_and_told_also_where_it_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(KeyError), begin(tmp_path, "", nothing):
        raise KeyError("a")
    with pytest.raises(KeyboardInterrupt), begin(tmp_path, "", nothing):
        raise KeyboardInterrupt("SIGHUP")
    record = tmp_path / "logs" / "attempts.jsonl"
    assert [a["why"] for a in read_attempts(tmp_path)] == ["KeyError: 'a'", "SIGHUP"]

    def hide_the_record_and_fail() -> None:
        make_loop(record)
        raise KeyError("b")

    with pytest.raises(KeyError), begin(tmp_path, "", nothing):
        hide_the_record_and_fail()
    with pytest.raises(InputError, match=f"cannot write {record}: Too many"), begin(tmp_path, "", nothing):
        pass
    end_loop(record)


def test_torn_lines_of_the_record_are_left_out(tmp_path: Path) -> None:
    with begin(tmp_path, "", nothing):
        pass
    log = tmp_path / "logs" / "attempts.jsonl"
    log.write_bytes(log.read_bytes() + b'{"attempt": 2, "comm')
    with begin(tmp_path, "", nothing) as attempt:
        attempt.end(0)
    assert [(a["attempt"], a["exit"]) for a in read_attempts(tmp_path)] == [(1, 1), (2, 0)]


def test_outside_a_run_the_fence_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FFN_RUN", raising=False)
    with fence():
        pass


def test_a_new_attempt_waits_for_who_is_publishing_and_refuses_the_older_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begin(tmp_path, "", nothing):
        pass
    monkeypatch.setenv("FFN_RUN", str(tmp_path))
    monkeypatch.setenv("FFN_ATTEMPT", "1")
    with fence(), open(number_file(tmp_path)) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with another_driver(tmp_path), pytest.raises(Superseded, match="attempt 2 has begun"), fence():
        pass
    number_file(tmp_path).unlink()
    with pytest.raises(Superseded, match="is gone"), fence():
        pass


WRITER = """
import os, sys
from pathlib import Path
from pipeline.results.attempts import fence
from pipeline.errors import Superseded
attempt, result = os.environ["FFN_ATTEMPT"], Path(sys.argv[1])
mine = result.with_name(f"of_{os.getpid()}")
print("ready", flush=True)
try:
    while True:
        mine.write_text(attempt)
        with fence():
            os.replace(mine, result)
except Superseded:
    print("superseded", flush=True)
"""


def test_no_interleaving_lets_an_older_attempt_replace_a_newer_result(tmp_path: Path) -> None:
    """Writers of each attempt publish as fast as they can, while newer attempts begin over their heads."""
    from pipeline.results.attempts.fencing import raise_fence

    result = tmp_path / "result"
    writers: list[subprocess.Popen[str]] = []
    try:
        for number in range(1, 5):
            raise_fence(tmp_path, number)
            for _ in range(20):
                seen = result.read_text() if result.exists() else str(number)
                assert int(seen) in (number, number - 1)
            environment = {**os.environ, "FFN_RUN": str(tmp_path), "FFN_ATTEMPT": str(number)}
            command = [sys.executable, "-c", WRITER, str(result)]
            pair = [
                subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
                for _ in range(2)
            ]
            writers += pair
            wait_for(lambda: result.exists() and result.read_text() == str(number))  # noqa: B023
            for _ in range(200):
                assert result.read_text() == str(number)
        raise_fence(tmp_path, 5)
        last = result.stat().st_mtime_ns
        outputs = [writer.communicate(timeout=60)[0] for writer in writers]
        assert [output.split()[-1] for output in outputs] == ["superseded"] * 8
        assert (result.read_text(), result.stat().st_mtime_ns) == ("4", last)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_processes_without_an_environment_of_ours_are_not_taken_for_ours(tmp_path: Path) -> None:
    with begin(tmp_path, "", nothing):
        assert [p.pid for p in processes_of(tmp_path)] == [psutil.Process().pid]
