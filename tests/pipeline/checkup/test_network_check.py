"""The network that a run imports, and what is not there when it is looked for."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.checkup.image import image
from pipeline.checkup.labels import labels
from pipeline.checkup.network import network
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve


def stored_run(folder: Path, **data: str) -> Run:
    with h5py.File(folder / "em.h5", "w") as file:
        file["raw"] = np.random.default_rng(1).integers(0, 256, (64, 64, 64), dtype=np.uint8)
        file["labels"] = np.ones((64, 64, 64), np.uint32)
    inputs = {"folder": str(folder), "image": "em.h5:raw", "labels": "em.h5:labels", **data}
    sizes = {"fov": [17, 17, 17], "deltas": [4, 4, 4], "depth": 2, "features": 4}
    tiles = {"tile": [40, 40, 40], "overlap": [20, 20, 20]}
    document = {"data": inputs, "network": sizes, "inference": tiles}
    return resolve(RunConfig.model_validate(document), folder / "run")


def test_a_run_that_trains_needs_no_network(tmp_path: Path) -> None:
    assert network(stored_run(tmp_path)).state == "skip"


def test_a_volume_that_became_unreadable_is_named(tmp_path: Path) -> None:
    run = stored_run(tmp_path)
    (tmp_path / "em.h5").unlink()
    with pytest.raises(InputError, match=r"em\.h5: no such file"):
        image(run)


def test_what_the_run_makes_itself_is_not_looked_for(tmp_path: Path) -> None:
    run = stored_run(tmp_path, image="phantom", labels="phantom")
    assert [image(run).state, labels(run).state] == ["skip", "skip"]


def test_the_published_network_is_read(tmp_path: Path, fib25: Path) -> None:
    checkpoint = str(fib25 / "checkpoint" / "model.ckpt-27465036")
    config = RunConfig.model_validate({"network": {"checkpoint": checkpoint}})
    assert network(Run(tmp_path, config)).text == f"{checkpoint}: 638,433 weights"
