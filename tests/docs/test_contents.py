"""The tables of the README become the contents of the documentation."""

from __future__ import annotations

from docs.generator.contents import parts, toctrees

README = """
| `gt_foreground` | ARE |
| --- | --- |
| this | 0.110 |

| you are | read |
| --- | --- |
| new here | [a tour](docs/tour.md), [the demo](docs/demo.md) |
| looking something up | [scores](docs/scores.md), [changelog](CHANGELOG.md), [a picture](docs/a.png) |
"""


def test_rows_with_pages_are_parts_and_other_rows_are_none() -> None:
    assert parts(README) == {
        "new here": ["docs/tour", "docs/demo"],
        "looking something up": ["docs/scores", "CHANGELOG"],
    }


def test_each_part_is_a_hidden_toctree_under_its_name() -> None:
    first, second = toctrees(README).split("```{toctree}")[1:]
    assert ":hidden:" in first
    assert ":caption: new here\n" in first
    assert second.split() == [
        ":hidden:", ":caption:", "looking", "something", "up", "/docs/scores", "/CHANGELOG", "```",
    ]  # fmt: skip
