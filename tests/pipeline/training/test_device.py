"""A rank does not train on a CPU where its site promises GPUs."""

from __future__ import annotations

import socket

import pytest
import tensorflow as tf

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.training.device import require_gpu


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])


@pytest.mark.usefixtures("no_gpu")
def test_a_rank_that_finds_none_is_refused_by_name() -> None:
    with pytest.raises(
        InputError, match=r"site polaris has 4 a node .* TensorFlow 2.*train_on_cpus"
    ) as refused:
        require_gpu(Site(name="polaris", gpus_per_node=4))
    assert socket.gethostname() in str(refused.value)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("site", [Site(), Site(gpus_per_node=0), Site(gpus_per_node=4, train_on_cpus=True)])
def test_where_cpus_are_asked_for_or_nothing_is_promised_it_trains(site: Site) -> None:
    require_gpu(site)


@pytest.mark.parametrize("kind", ["GPU", "XPU"])
def test_a_rank_that_finds_one_trains(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda asked: ["it"] if asked == kind else [])
    require_gpu(Site(gpus_per_node=1))
