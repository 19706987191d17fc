"""Finding: what one check of a machine has found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    return _in_one_line(OK, found)


def warn(found: str, mend: str) -> Finding:
    return _in_one_line(WARN, f"{found}; {mend}")


def fail(found: str, mend: str) -> Finding:
    return _in_one_line(FAIL, f"{found}; {mend}")


def skip(reason: str) -> Finding:
    return _in_one_line(SKIP, reason)


def examine(check: Check) -> Finding:
    """What the check finds; a check that raises has failed, with its error as the finding."""
    try:
        return check()
    except Exception as error:
        return failed(error)


def together(found: Sequence[Finding]) -> Finding:
    """One finding of several: the worst state, in the words of those that have it."""
    worst = max((each.state for each in found), key=(SKIP, OK, WARN, FAIL).index)
    return Finding(worst, "; ".join(dict.fromkeys(each.text for each in found if each.state == worst)))


def failed(error: Exception) -> Finding:
    """A failure in an error's words; an InputError's say already what is expected."""
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return _in_one_line(FAIL, f"{kind}{error}")


def _in_one_line(state: str, text: str) -> Finding:
    """What libraries and schedulers say may have several."""
    return Finding(state, " ".join(text.split()))
