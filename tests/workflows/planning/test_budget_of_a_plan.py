"""A budget that a plan is asked to keep is never passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import said
from workflows.ffn import main


def test_without_a_rate_it_is_told_that_no_tiles_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", "demo", "--run-dir", str(tmp_path / "run"), "--budget-node-hours", "1"]
    code, shown = said(main, ["plan", *options], monkeypatch, capsys)
    assert code == 0
    assert "other tiles are not compared for the budget: that takes a rate of tiles" in " ".join(
        shown.split()
    )
