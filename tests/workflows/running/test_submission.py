"""Tasks reach Parsl in order and so many at a time, and those that are finished not at all."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.results.artifacts import Artifact
from pipeline.results.hdf5_file import write_hdf5
from pipeline.results.records import make, record_path
from pipeline.training.sampling import coordinates_target
from tests.workflows.planning.test_explain import finish, make_run
from workflows.planning.discards import refuse_to_discard
from workflows.running.submission import Submission, Submitted
from workflows.stages import build


class Kernel:
    """Stands for Parsl: takes tasks and ends one when it is told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.at_work: list[Any] = []
        self.most = 0

    def call(self, app: Any, *args: Any, **kwargs: Any) -> Future[Artifact]:
        future: Any = Future()
        future.task_record = {"from_memo": False, "executor": "tiles"}
        future.task_status = lambda: "launched"
        assert not any(isinstance(each, Submitted) for each in args)
        self.names.append(app)
        self.at_work.append((future, args))
        self.most = max(self.most, len(self.at_work))
        return future

    def end(self, which: int, error: Exception | None = None) -> None:
        future, args = self.at_work.pop(which % len(self.at_work))
        failed = [arg for arg in args if isinstance(arg, Future) and arg.done() and arg.exception()]
        if error or failed:
            future.set_exception(error or RuntimeError("what it waited for failed"))
        else:
            future.set_result(Artifact("a", "0"))


@given(tasks=st.integers(1, 40), most=st.integers(1, 8), order=st.lists(st.integers(0, 100), min_size=40))
def test_all_tasks_end_in_whatever_order_and_never_too_many_at_once(
    tasks: int, most: int, order: list[int]
) -> None:
    kernel, told = Kernel(), list[Submitted]()
    submission = Submission(kernel.call, verify=True, most=most)
    submitted: list[Submitted] = []
    for number in range(tasks):
        task = submission.submit(f"task {number}", *submitted[-2:])  # type: ignore[arg-type]
        task.add_done_callback(told.append)
        submitted.append(task)
    for which in order:
        if kernel.at_work:
            kernel.end(which)
    assert kernel.names == [f"task {number}" for number in range(tasks)]
    assert kernel.most == min(most, tasks)
    assert set(told) == set(submitted)
    assert all(task.done() and task.exception() is None for task in submitted)


def test_what_waits_for_a_failure_is_given_the_failed_future() -> None:
    kernel = Kernel()
    submission = Submission(kernel.call, verify=True, most=1)
    first = submission.submit("first")  # type: ignore[arg-type]
    second = submission.submit("second", [first])  # type: ignore[arg-type]
    assert not second.done()
    assert second.task_status() == "pending"
    kernel.end(0, OSError("no"))
    (_, ([given_to_it],)) = kernel.at_work[0]
    assert isinstance(given_to_it.exception(), OSError)
    assert isinstance(first.exception(), OSError)


def test_a_finished_run_gives_parsl_nothing_and_an_unfinished_one_what_is_left(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    run, kernel = make_run(tmp_path), Kernel()
    stages = build(run, Submission(kernel.call, verify=False).submit)
    assert kernel.names == []
    assert all(task.task_record["from_memo"] for stage in stages for task in stage.tasks)
    run.tile_file(run.tiles[0]).unlink()
    stages = build(run, Submission(kernel.call, verify=False).submit)
    begun = [app.__name__ for app in kernel.names]  # type: ignore[attr-defined]
    assert begun[0] == "segment_tile"
    assert begun.count("segment_tile") == 1
    assert begun.count("find_evidence") == 1, "of the others none compares with the first tile"
    assert {"merge", "write_block", "score_run", "write_page"} <= set(begun)


def test_what_was_found_finished_is_not_looked_at_again_unless_it_was_made_anew(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    run, kernel = make_run(tmp_path), Kernel()
    found = refuse_to_discard(run)
    for tile in run.tiles:
        run.tile_file(tile).write_text("nobody looks")
    build(run, Submission(kernel.call, verify=False, known=found).submit)
    assert kernel.names == []
    target = coordinates_target(run)
    record_path(target.path).unlink()
    make(target, partial(write_hdf5, fill=lambda file: None))
    build(run, Submission(kernel.call, verify=False, known=found).submit)
    begun = [app.__name__ for app in kernel.names]  # type: ignore[attr-defined]
    assert begun[0] == "train", "what was made of the other coordinates does not count"


def test_damage_is_found_alike_by_a_start_that_has_looked_at_the_results_before(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    run = make_run(tmp_path)
    first, second, third, *_ = run.tiles
    run.tile_file(first).write_text("torn")
    record_path(run.tile_file(second)).write_text("torn")
    swapped = [run.tile_file(third), run.id_table_file]
    one, other = [path.read_bytes() for path in map(record_path, swapped)]
    record_path(swapped[0]).write_bytes(other)
    record_path(swapped[1]).write_bytes(one)
    begun = []
    for known in (None, refuse_to_discard(run)):
        kernel = Kernel()
        build(run, Submission(kernel.call, verify=False, known=known).submit)
        begun.append([app.__name__ for app in kernel.names])  # type: ignore[attr-defined]
    assert begun[0] == begun[1]
    assert begun[0].count("segment_tile") == 3


def test_with_verify_parsl_is_given_every_task(tmp_path: Path) -> None:
    finish(make_run(tmp_path))
    run, kernel = make_run(tmp_path), Kernel()
    stages = build(run, Submission(kernel.call, verify=True).submit)
    assert len(kernel.names) == sum(len(stage.tasks) for stage in stages)
