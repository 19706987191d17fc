"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.emulators.cluster import Cluster
from tests.real_slurm import running_slurm

if TYPE_CHECKING:
    from tests.local_gcs import LocalGcs
    from tests.local_s3 import LocalS3

settings.register_profile("untimed", deadline=None)  # no test is about time, least of all on a busy machine
settings.load_profile("untimed")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may read; those of pytest are its user's alone."""
    folder = Path(tempfile.mkdtemp(prefix="ffn-tests-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def fib25() -> Path:
    """The folder of the FIB-25 sample; the test is skipped where it is absent."""
    candidates = [os.environ.get("FFN_DATA", ""), str(REPOSITORY.parent / "shared" / "data" / "fib25")]
    for candidate in filter(None, candidates):
        if (Path(candidate) / "grayscale_maps.h5").exists():
            return Path(candidate)
    pytest.skip("FIB-25 sample not found: set FFN_DATA to its folder")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A real Slurm for the whole session; the test is skipped where it cannot run."""
    with running_slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[LocalS3]:
    """A real S3 server, for the whole session."""
    from tests.local_s3 import local_s3  # starting it takes a second

    with local_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> LocalS3:
    """The server, and keys for it in the environment."""
    for name, value in s3_server.keys.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[LocalGcs]:
    """A server of Google Cloud Storage's API, for the whole session."""
    pytest.importorskip("gcp_storage_emulator")
    from tests.local_gcs import local_gcs

    with local_gcs() as server:
        yield server


@pytest.fixture
def gcs(gcs_server: LocalGcs, monkeypatch: pytest.MonkeyPatch) -> LocalGcs:
    """The server, which Google's library asks."""
    for name, value in gcs_server.keys.items():
        monkeypatch.setenv(name, value)
    return gcs_server


@pytest.fixture
def cobalt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """An emulated Cobalt machine of four nodes, its commands on PATH; a walltime minute lasts a second."""
    yield from _cluster(tmp_path, monkeypatch, "cobalt")


@pytest.fixture
def pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """An emulated PBS Pro machine of four nodes, its commands on PATH; a walltime minute lasts a second."""
    yield from _cluster(tmp_path, monkeypatch, "pbs")


def _cluster(folder: Path, monkeypatch: pytest.MonkeyPatch, flavour: str) -> Iterator[Cluster]:
    cluster = Cluster(folder / flavour, flavour, minute_s=1.0)
    monkeypatch.setenv("PATH", cluster.path)
    yield cluster
    cluster.shut_down()


LONGEST = (
    "test_runs_on_machines.py",
    "test_end_to_end.py",
    "test_commands_of_pages.py",
    "test_launch.py",
    "test_parsl_blocks.py",
    "test_submissions.py",
)
"""Files of tests that take a minute and more, each in one process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files and then those with slow tests first: one that begins last is waited for by idle
    processes."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path not in slow))
