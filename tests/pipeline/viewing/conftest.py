"""Servers for tests; what needs Neuroglancer's package is skipped where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.viewing.layers import layers_of_volumes
from pipeline.volumes import Choice
from tests.pipeline.viewing.placed import Case, write_case
from tests.pipeline.viewing.served import Served


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return write_case(tmp_path)


@pytest.fixture
def served(case: Case) -> Iterator[Served]:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    from pipeline.viewing.server import ViewServer

    names = {"image": case.image, "segmentation": case.segmentation, "truth": case.truth}
    shown = layers_of_volumes({name: (uri, Choice(option=name)) for name, uri in names.items()})
    told: list[str] = []
    with ViewServer(shown, 0, told.append) as view:
        yield Served(view, shown, case, told)
