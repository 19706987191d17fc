"""Numbers of things in words."""

from __future__ import annotations

from pipeline.wording import counted


def test_one_thing_is_no_several() -> None:
    assert [counted(n, "network call") for n in (0, 1, 2, 1234)] == [
        "0 network calls",
        "1 network call",
        "2 network calls",
        "1,234 network calls",
    ]
