"""Where tasks run on sites that have no place of their own for every kind of them."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy

from parsl.app.python import PythonApp

LIGHT, TILES = "light", "tiles"


def placed(app: PythonApp, executors: Collection[str]) -> PythonApp:
    """The app, or one like it that runs with the tiles where `executors` have no place for what is light."""
    if app.executors != [LIGHT] or LIGHT in executors:
        return app
    alike = copy(app)
    alike.executors = [TILES]
    return alike
