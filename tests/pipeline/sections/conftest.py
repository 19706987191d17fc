"""A few small sections, taken once for all tests."""

from __future__ import annotations

import pytest
from taken import Taken, take


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    return take(tmp_path_factory.mktemp("microscope"))
