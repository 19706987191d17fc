"""Volumes that lie somewhere, and a run that is done, for the commands that take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.viewing.placed import Case, write_case
from tests.workflows.exported_run import write_run


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return write_case(tmp_path)


@pytest.fixture
def run(case: Case) -> Path:
    return write_run(case)
