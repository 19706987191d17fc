"""A check never raises: whatever happens is a finding in one line."""

from __future__ import annotations

from pipeline.checkup import Finding, examine, fail
from pipeline.errors import InputError


def test_a_check_that_raises_has_failed_with_its_error_in_one_line() -> None:
    def check() -> Finding:
        raise OSError("no\n  answer")

    assert examine(check) == Finding("FAIL", "OSError: no answer")


def test_an_input_error_speaks_for_itself() -> None:
    def check() -> Finding:
        raise InputError("site.account is missing")

    assert examine(check) == Finding("FAIL", "site.account is missing")


def test_what_a_program_said_in_several_lines_is_one() -> None:
    assert fail("squeue: error:\nno address\n", "wait") == Finding("FAIL", "squeue: error: no address ; wait")
