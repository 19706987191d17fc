"""What the summary says of errors where there is nothing to find any by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from workflows.running.run_scores import costliest


@pytest.mark.parametrize(
    ("voi_bits", "told"), [(None, "nobody can tell: no voxel that is scored is labelled"), (0.0, "none")]
)
def test_no_error_is_told_from_no_label(voi_bits: Any, told: str, tmp_path: Path) -> None:
    run = Run(tmp_path, RunConfig.model_validate({"data": {"image": "phantom", "labels": "phantom"}}))
    run.worst_file.write_text(json.dumps({"voi_bits": voi_bits, "errors": 0, "worst": []}))
    assert costliest(run) == [f"errors        {told}"]
