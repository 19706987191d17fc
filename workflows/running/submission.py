"""Tasks on their way to Parsl: what is finished is not given to it, and of the rest so many at a time.

A run of 10^5 tiles has 3 x 10^5 tasks. Parsl would keep a record and some futures of each from the beginning
to the end, and ask of every finished one whether it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from threading import RLock
from typing import Any

from apps.targets import target_of
from pipeline.errors import Unreadable
from pipeline.results.artifacts import Artifact
from pipeline.results.finished import Finished
from pipeline.results.records import inspect
from pipeline.results.times import Touched, set_times_back
from pipeline.results.unreadable import names_in
from workflows.running.gates import Gates, HeldBackError, Place
from workflows.running.summing_up import SummingUp

MOST_AT_ONCE = 20_000
"""Tasks that Parsl has at the same time, those that wait for others among them: about 100 MiB."""


class Submitted:
    """A task of a chain, as those see it who follow it: like Parsl's futures, as far as they need.

    Of a task that has ended well its artifact alone is kept.
    """

    __slots__ = ("_callbacks", "_future", "_held", "_lock", "artifact", "call", "number", "place", "reused")

    def __init__(self, number: int, call: tuple[Any, tuple[Any, ...], dict[str, Any]], lock: RLock) -> None:
        self.number = number
        """As which it was submitted, from 0 on."""
        self.call: Any = call
        """App, arguments and keyword arguments, until Parsl has them."""
        self.artifact: Artifact | None = None
        self.reused = False
        """Whether the artifact was there before."""
        self.place: Place | None = None
        """Its stage and the gates before it, where there are gates."""
        self._held: HeldBackError | None = None
        self._future: Any = None
        self._callbacks: list[Callable[[Any], object]] = []
        self._lock = lock

    @property
    def value(self) -> Any:
        """What a task that waits for this one is given: its artifact, or Parsl's future of it."""
        return self.artifact or self._future

    def done(self) -> bool:
        with self._lock:
            return bool(self.artifact or self._held) or (self._future is not None and self._future.done())

    def exception(self) -> BaseException | None:
        """Why a task that has ended failed."""
        with self._lock:
            return None if self.artifact else (self._held or self._future.exception())

    def task_status(self) -> str:
        with self._lock:
            if self.artifact:
                return "memo_done" if self.reused else "exec_done"
            return "pending" if self._future is None else str(self._future.task_status())

    @property
    def task_record(self) -> dict[str, Any]:
        """Of Parsl's record of a task what is asked for."""
        with self._lock:
            return {"from_memo": self.reused} if self.artifact or self._held else self._future.task_record

    def add_done_callback(self, tell: Callable[[Any], object]) -> None:
        """Call `tell` with this task when it has ended, in some thread; at once where it has."""
        with self._lock:
            if not self.done():
                self._callbacks.append(tell)
                return
        tell(self)

    def begin(self, future: Any) -> None:
        """Parsl has it."""
        self.call, self._future = None, future

    def hold(self, why: str) -> None:
        """It is not begun."""
        self._held = HeldBackError(why)
        self.end(None, reused=False)

    def end(self, artifact: Artifact | None, reused: bool) -> None:
        """It has ended, with an artifact if it went well."""
        with self._lock:
            self.artifact, self.reused, self.call = artifact, reused, None
            if artifact:
                self._future = None
            callbacks, self._callbacks = self._callbacks, []
        for tell in callbacks:
            tell(self)


class Submission:
    """Hands tasks to Parsl by `call`, in the order in which they are submitted.

    With `verify` Parsl is given all of them, and its memoizer reads every finished file. What is behind
    `gates` is parked until these are settled, and then begun or held back. Results that are `known`, by the
    number of their task, are not worked out and read again; `summing_up` is told of all.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        verify: bool,
        most: int = MOST_AT_ONCE,
        gates: Gates | None = None,
        known: Finished | None = None,
        summing_up: SummingUp | None = None,
    ) -> None:
        self._call = call
        self._verify = verify
        self._most = most
        self._waiting: deque[Submitted] = deque()
        self._gates = gates
        self._known = known or Finished()
        set_times_back(self._known.touched)
        self._summing_up = summing_up
        self._parked: list[Submitted] = []
        self._submitted = 0
        self._at_once = 0
        self._going_on = False
        self._lock = RLock()
        self._names = lru_cache(maxsize=16)(lambda folder: frozenset(names_in(Path(folder))))

    def submit(self, app: Callable[..., Any], *args: Any, **kwargs: Any) -> Submitted:
        """Of a task whose arguments may be tasks that were submitted before."""
        with self._lock:
            task = Submitted(self._submitted, (app, args, kwargs), self._lock)
            if self._gates is not None:
                task.place = self._gates.place(task.number)
            self._submitted += 1
            self._admit(task)
            self._go_on()
        return task

    def _admit(self, task: Submitted) -> None:
        """Let a task pass, park it, or hold it back where a gate before it is closed.

        What is held back may itself settle a gate further on.
        """
        gates = [] if self._gates is None or task.place is None else self._gates.before(task.place)
        closed = [gate for gate in gates if gate is not None and not gate.is_open]
        if closed:
            task.hold(f"gate {closed[0].stage} is closed: {closed[0].says}")
            self._note_end(task)
        elif None in gates:
            self._parked.append(task)
        else:
            self._waiting.append(task)

    def _note_end(self, task: Submitted) -> None:
        if self._gates is None or task.place is None:
            return
        if self._gates.end(task.place.stage, task.artifact):
            parked, self._parked = self._parked, []
            for each in parked:
                self._admit(each)

    def _go_on(self) -> None:
        """Begin as many as there is room for; what ends while it is begun finds this at work already."""
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._waiting and self._at_once < self._most:
                self._begin(self._waiting.popleft())
        finally:
            self._going_on = False

    def _begin(self, task: Submitted) -> None:
        app, args, kwargs = task.call
        kwargs = _given(kwargs)
        finished = self._still_known(task.number, kwargs)
        summing_up = self._summing_up
        if summing_up is not None and not summing_up.wants(task.number):
            summing_up = None
        if finished is None or summing_up is not None:
            args = _given(args)
            finished = finished or self._finished(app, args, kwargs)
            if summing_up is not None:
                summing_up.note(task.number, app.__name__, args, kwargs, finished)
        if finished is not None:
            task.end(finished, reused=True)
            self._note_end(task)
            return
        self._at_once += 1
        future = self._call(app, *args, **kwargs)
        task.begin(future)
        future.add_done_callback(partial(self._end, task))

    def _end(self, task: Submitted, future: Any) -> None:
        """Called in some thread of Parsl's."""
        failed = future.exception() is not None
        task.end(None if failed else future.result(), bool(future.task_record["from_memo"]))
        with self._lock:
            self._at_once -= 1
            self._note_end(task)
            self._go_on()

    def _still_known(self, number: int, kwargs: Any) -> Artifact | None:
        """The artifact of a task that was found finished before and still is: so is what it is made of."""
        if self._verify or self._known.found(number) is None or _any_future(kwargs):
            return None
        try:
            known = self._known.still(number)
        except Unreadable:
            return None
        if known is None:
            self._known = Finished()  # what was made of it may be of another recipe now
        return known

    def _finished(self, app: Callable[..., Any], args: Any, kwargs: Any) -> Artifact | None:
        """The artifact of a task that need not run; None where it has to, or nobody can tell yet."""
        if self._verify or _any_future(args) or _any_future(kwargs):
            return None
        try:
            path = str((target := target_of(app.__name__, args, kwargs)).path)
            folder, _, name = path.rpartition("/")
            if name not in self._names(folder):
                return None
            touched: list[Touched] = []
            found = inspect(target, touched=touched)
            set_times_back(touched)
        except Unreadable:  # as the memoizer will find too, and fail the task
            return None
        return found if isinstance(found, Artifact) else None


def _given(values: Any) -> Any:
    """The arguments as Parsl is given them, tasks in tuples, lists and dictionaries however deep."""
    if isinstance(values, Submitted):
        return values.value
    if isinstance(values, dict):
        return {key: _given(value) for key, value in values.items()}
    if type(values) in (tuple, list):
        return type(values)(map(_given, values))
    return values


def _any_future(values: Any) -> bool:
    """Whether a task among the arguments is yet to end, or has ended in Parsl."""
    if isinstance(values, dict):
        return any(map(_any_future, values.values()))
    if type(values) in (tuple, list):
        return any(map(_any_future, values))
    return hasattr(values, "add_done_callback")
