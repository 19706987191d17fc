"""What a task is called where people look at tasks: its app, and which tile or box it is of."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from copy import copy
from typing import Any

from parsl.app.python import PythonApp
from parsl.dataflow.taskrecord import TaskRecord

from pipeline.geometry import Box, Tile


def named(app: PythonApp, args: Sequence[Any]) -> PythonApp:
    """The app under the name of its task when it is called with these arguments.

    Parsl takes the name of the function for that of the task, and all tasks of an app would have one name.
    """
    function = functools.partial(app.func)
    function.__name__ = " ".join([app.__name__, *_where(args)])  # type: ignore[attr-defined]
    alike = copy(app)
    alike.func = function
    return alike


def app_of(task: TaskRecord) -> str:
    """The name of a task's app, be the task named or not."""
    return task["func_name"].partition(" ")[0]


def _where(args: Sequence[Any]) -> list[str]:
    return [arg.name if isinstance(arg, Tile) else str(arg) for arg in args if isinstance(arg, (Tile, Box))]
