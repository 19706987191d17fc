"""The tests of one file run on a machine under Cobalt and on one under PBS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site_configs.providers.emulated_site import Site


@pytest.fixture(params=["cobalt", "pbs"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(request.getfixturevalue(request.param), tmp_path)
