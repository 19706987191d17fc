"""Finding: what one check of a machine has found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.errors import InputError

OK, WARN, FAIL, SKIP = "ok", "warn", "FAIL", "skip"


@dataclass(frozen=True)
class Finding:
    """A state and what was found."""

    state: str
    """OK; WARN, where a run may still work; FAIL, where it cannot; SKIP, where the check does not apply."""
    text: str
    """One line, which ends with what mends it if anything has to be."""


Check: TypeAlias = Callable[[], Finding]


def ok(found: str) -> Finding:
    return Finding(OK, found)


def warn(found: str, mend: str) -> Finding:
    return Finding(WARN, f"{found}; {mend}")


def fail(found: str, mend: str) -> Finding:
    return Finding(FAIL, f"{found}; {mend}")


def skip(reason: str) -> Finding:
    return Finding(SKIP, reason)


def examine(check: Check) -> Finding:
    """What the check finds; a check that raises has failed, with its error as the finding."""
    try:
        return check()
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> Finding:
    """A failure in an error's words; an InputError's say already what is expected."""
    text = " ".join(str(error).split())
    return Finding(FAIL, text if isinstance(error, InputError) else f"{type(error).__name__}: {text}")
