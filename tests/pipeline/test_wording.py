"""Numbers of things in words."""

from __future__ import annotations

from pipeline.wording import counted, percent


def test_one_thing_is_no_several() -> None:
    assert [counted(n, "network call") for n in (0, 1, 2, 1234)] == [
        "0 network calls",
        "1 network call",
        "2 network calls",
        "1,234 network calls",
    ]


def test_a_little_is_not_said_to_be_nothing() -> None:
    assert [percent(share) for share in (0, 1e-9, 4.9e-5, 5.1e-5, 0.1234, 1)] == [
        "0.00%",
        "less than 0.01%",
        "less than 0.01%",
        "0.01%",
        "12.34%",
        "100.00%",
    ]
