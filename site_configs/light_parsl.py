"""Parsl without the libraries that it imports only to see whether they are there.

Its provider for Amazon's cloud looks for boto3, its database of tasks for sqlalchemy, and every process of a
run, driver, interchange, pool and worker, loads all providers and the database: half of what it reads before
it can start. None of them uses these but the process of the database, which loads it by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

UNUSED = ("boto3", "sqlalchemy")


class LightParsl(MetaPathFinder):
    """Finds Parsl for whoever imports it first, and hides `UNUSED` while it is loaded."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As Python's own finders, which are asked for all the rest."""
        if fullname != "parsl":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = partial(_load, load)  # type: ignore[method-assign]
        return spec


def _load(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        load(module)
    finally:
        for name in hidden:
            del sys.modules[name]
