"""Parsl without the libraries that it imports and, as a rule, does not use.

Its provider for Amazon's cloud looks for boto3, its database of tasks for sqlalchemy, and every process of a
run, driver, interchange, pool and worker, loads all providers and the database: half of what it reads before
it can start. None of them uses these but the process of the database, which loads it by itself. requests is
there for files that are fetched, and for asking the web for this machine's address: a fifth of the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

UNUSED = ("boto3", "sqlalchemy")
LATER = ("requests",)


class LightParsl(MetaPathFinder):
    """Finds Parsl for whoever imports it first, and hides `UNUSED` while it is loaded; `LATER` are loaded
    by whoever uses something of them."""

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


class _Later(ModuleType):
    """A module that is loaded when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # as inspect asks all modules for their files
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def _load(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    instead: dict[str, Any] = dict.fromkeys(UNUSED) | {name: _Later(name) for name in LATER}
    hidden = [name for name in instead if name not in sys.modules]
    sys.modules.update({name: instead[name] for name in hidden})
    try:
        load(module)
    finally:
        for name in hidden:
            del sys.modules[name]
