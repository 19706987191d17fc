"""One attempt, from the moment it owns the run folder until it says how it ended."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import InputError, Superseded, Unreadable
from pipeline.results.attempts.fencing import ATTEMPT, RUN, raise_fence
from pipeline.results.attempts.leftovers import end_processes
from pipeline.results.attempts.ownership import Ownership
from pipeline.results.attempts.provenance import INTERRUPTED, record_end, record_start


class Attempt:
    """The attempt that this process, the driver, makes."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._ended = False

    @property
    def folder(self) -> Path:
        return self._ownership.folder

    @property
    def number(self) -> int:
        return self._ownership.owner.attempt

    def check(self) -> None:
        """Raise Superseded unless this attempt still owns the run folder."""
        self._ownership.check()

    def end(self, code: int, why: str = "") -> None:
        """End what still works for the folder on this host, record exit code and why, give the folder back.

        A second call does nothing. If the folder is another attempt's by now, it is left alone. Raises
        InputError where the file system refuses the record.
        """
        if self._ended:
            return
        self._ended = True
        try:
            with suppress(Unreadable):  # the folder is ours as long as nobody else is seen there
                self.check()
            end_processes(self.folder, self.number)
            record_end(self.folder, self.number, code, why)
        except Superseded:
            pass
        finally:
            self._ownership.release()


@contextmanager
def begin(folder: Path, configuration: str, say: Callable[[str], object]) -> Iterator[Attempt]:
    """Begin an attempt: own a run folder for as long as the context lasts, and have it to oneself.

    Processes that an older attempt left on this host are ended, which `say` is told in one line. All that is
    started inside the context knows its attempt from the environment. `configuration` is kept with the
    record of the attempt. Left without a call of `end`, it has ended with exit code 1, or interrupted, and an
    exception that it is left by is the reason.
    Raises InputError, which names the owner, when another driver owns the folder; then nothing was written.
    Raises Superseded when another driver took the folder at the same moment, where there are no locks.
    """
    this = Attempt(Ownership.take(folder, say))
    try:
        leftovers = end_processes(folder, this.number)
        if leftovers:
            kinds = Counter(process.kind for process in leftovers)
            say(
                "ended what an older attempt had left running: "
                + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            )
        raise_fence(folder, this.number)
        os.environ.update({RUN: os.path.realpath(folder), ATTEMPT: str(this.number)})
        record_start(folder, this._ownership.owner, configuration)
        yield this
    except BaseException as error:
        with suppress(InputError):  # what ended the attempt is told, and not that it cannot be recorded
            this.end(*_end_by(error))
        raise
    finally:
        this.end(1)
        for name in (RUN, ATTEMPT):
            os.environ.pop(name, None)


def _end_by(error: BaseException) -> tuple[int, str]:
    """Exit code and reason of an attempt that an exception ended."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, str(error)
    return 1, " ".join(f"{type(error).__name__}: {error}".split())
