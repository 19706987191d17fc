"""Logs are read from their end, whatever is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.results.log_lines import last_line


@pytest.mark.parametrize("ranks", [1, 2000, 4000, 200_000])
@pytest.mark.parametrize("before", [0, 3])
def test_the_last_line_is_read_however_long_it_is(tmp_path: Path, ranks: int, before: int) -> None:
    """A training whose shares are measured says in each how many FOVs of a step every rank has."""
    line = {"fovs_seen": 7, "shares": [1] * ranks}
    path = tmp_path / "training.jsonl"
    path.write_text(f"{json.dumps({**line, 'fovs_seen': 1})}\n" * before + f"{json.dumps(line)}\n")
    assert last_line(path) == line
    with open(path, "a") as file:
        file.write('{"fovs_seen": 9, "sha')  # it is being written
    assert last_line(path) == line
    path.write_text("")
    assert last_line(path) is None
