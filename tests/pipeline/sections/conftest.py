"""A few small sections, taken once for all tests."""

from __future__ import annotations

import pytest
from taken import Taken, run_now, take

from workflows.section_stages import align


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    return take(tmp_path_factory.mktemp("microscope"))


@pytest.fixture(scope="session")
def aligned(taken: Taken) -> Taken:
    align(taken.stack, taken.sections, run_now)
    return taken
