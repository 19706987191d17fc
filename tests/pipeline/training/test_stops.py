"""A training that stops to have its networks tried ends as one that never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.training.launch import train
from pipeline.training.start import where_training_starts
from tests.pipeline.training.real_trainings import log_of, make_run

pytestmark = pytest.mark.slow

ONE_RANK: dict[str, Any] = {"ranks": 1, "checkpoint_every_steps": 200}
CHOICE: dict[str, Any] = {
    **ONE_RANK,
    "box": "0:40,0:40,0:30",
    "choose_by": "segmentation",
    "validation_box": "0:40,0:40,30:40",
    "validate_every_fovs": 900,
}
"""Of 1,600 FOVs in rounds of 400: in the midst of the third."""


@pytest.fixture(scope="module")
def stopped(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Artifact, list[Artifact]]:
    run, coordinates = make_run(tmp_path_factory.mktemp("stopped"), volume, **CHOICE)
    return run, coordinates, [train(run, coordinates, until) for until in run.config.training.parts]


def test_the_last_network_is_that_of_a_training_that_never_stopped(
    stopped: tuple[Run, Artifact, list[Artifact]], volume: Path, tmp_path: Path
) -> None:
    run, _, networks = stopped
    assert [Path(network.path) for network in networks] == [run.candidate_file(n) for n in (900, 1600)]
    assert networks[0].sha256 != networks[1].sha256
    plain, coordinates = make_run(tmp_path, volume, **ONE_RANK, box=CHOICE["box"])
    assert train(plain, coordinates).sha256 == networks[-1].sha256
    assert {900, 1600} <= {entry["fovs_seen"] for entry in log_of(run)}
    assert not run.in_hand_folder.exists()


def test_a_lost_network_is_made_again_to_the_same_bytes_and_the_other_stays(
    stopped: tuple[Run, Artifact, list[Artifact]],
) -> None:
    run, coordinates, networks = stopped
    assert where_training_starts(run) is None
    Path(networks[0].path).unlink()
    start = where_training_starts(run)
    assert "a checkpoint of 1,600 FOVs has seen more than the 900 after which a network is wanted" in str(
        start
    )
    assert train(run, coordinates, 900) == networks[0]
    assert train(run, coordinates, 1600) == networks[1]
