"""Machines with a batch system, for tests that name them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machines import Emulated, Machine, Slurm

QUEUES = {"theta": "debug-cache-quad", "polaris": "debug-scaling", "aurora": "debug-scaling"}
LIMITS = {"nodes": 4, "walltime_s": 3600, "jobs_per_user": 1}
"""Of each of them: what is light, the training and the tiles take turns."""


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The machine that a test is given by its name: Theta, Polaris and Aurora are emulated, Slurm is real."""
    if request.param == "slurm":
        request.getfixturevalue("slurm")
        yield Slurm()
    else:
        cluster = request.getfixturevalue("cobalt" if request.param == "theta" else "pbs")
        cluster.change(minute_s=60.0, queues={QUEUES[request.param]: LIMITS})
        yield Emulated(request.param, cluster, QUEUES[request.param])
