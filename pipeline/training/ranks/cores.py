"""Cores that this user's runs on one machine share out among themselves."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.machine.private_folder import private_folder
from pipeline.results.attempts.locks import lock


@contextmanager
def taken(cores: Sequence[int], number: int) -> Iterator[list[int]]:
    """The first `number` of `cores` that no other process has taken so; empty where there are not so many.

    They are this process's until the context ends or it dies.
    """
    with ExitStack() as held:
        own: list[int] = []
        for core in cores:
            if len(own) == number:
                break
            if _lock(private_folder() / f"core-{core}", held):
                own.append(core)
        if len(own) < number:
            held.close()
            own = []
        yield own


def _lock(path: Path, held: ExitStack) -> bool:
    """Whether this process has the lock now, for as long as `held` is open."""
    with ExitStack() as opened:
        file = opened.enter_context(open(path, "w"))
        try:
            has_it = lock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        held.push(opened.pop_all())
    return has_it
