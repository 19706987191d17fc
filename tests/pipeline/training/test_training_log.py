"""The log of a training is JSON, line by line, whatever the training came to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.training.training_log import TrainingLog


def strictly(line: str) -> dict[str, Any]:
    """As programs read it that know JSON alone."""
    found: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return found


def test_what_is_not_finite_is_none(tmp_path: Path) -> None:
    path = tmp_path / "training.jsonl"
    kept = {"step": 1, "loss": float("inf"), "f1": 0.5}
    log = TrainingLog(path, tmp_path / "tensorboard", [kept])
    log.append({"step": 2, "loss": float("nan"), "f1": None, "shares": [1, 1]})
    found = [strictly(line) for line in path.read_text().splitlines()]
    expected = [{**kept, "loss": None}, {"step": 2, "loss": None, "f1": None, "shares": [1, 1]}]
    assert found == expected
    assert log.entries == expected, "which a checkpoint keeps"
