"""A stage: tasks of one kind; and how a task is given to Parsl."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import parsl
from parsl.app.python import PythonApp

from apps.names import named
from apps.placing import placed_among
from pipeline.run_folder import Run

Task = TypeVar("Task")
Submit = Callable[..., Task]
"""Given an app and its arguments, among them earlier tasks: the task that stands for its result."""


@dataclass(frozen=True)
class Stage(Generic[Task]):
    """Tasks of one kind, as the user sees them."""

    name: str
    tasks: list[Task]
    training: Run | None = None
    """The run whose training the last task is: its log tells how far that is."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Tasks of a large run are millions of objects, all of them to stay: in this context Python does not look
    for garbage among them over and over, which is a third of the time that it takes to make them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def call(app: PythonApp, *args: Any, **kwargs: Any) -> Any:
    """Submit to Parsl: the task is the app's future."""
    return placed_among(app, parsl.dfk().executors)(*args, **kwargs)


def call_by_name(app: PythonApp, *args: Any, **kwargs: Any) -> Any:
    """As `call`; in Parsl's monitoring and logs the task says of which tile or box it is."""
    return call(named(app, args), *args, **kwargs)
