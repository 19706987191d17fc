"""An image and a network that finds what is bright in it, for all tests of a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from bright_blocks import write_image, write_network

from pipeline.results.artifacts import Artifact


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_network(tmp_path_factory.mktemp("model"))
