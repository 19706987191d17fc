"""Where tasks run: on another executor than their app names, where a site or a study has it so."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy

from parsl.app.python import PythonApp

LIGHT, TILES = "light", "tiles"


def placed(app: PythonApp, executor: str) -> PythonApp:
    """The app as it runs on the executor of this label."""
    alike = copy(app)
    alike.executors = [executor]
    return alike


def placed_among(app: PythonApp, executors: Collection[str]) -> PythonApp:
    """The app, or one like it that runs with the tiles where `executors` have no place for what is light."""
    return placed(app, TILES) if app.executors == [LIGHT] and LIGHT not in executors else app
