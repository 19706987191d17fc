"""Whether doctor tells that the C code of inference is missing."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.checkup import engine
from pipeline.checkup.finding import OK, SKIP, WARN
from pipeline.config import Inference, Network, Training
from pipeline.errors import InputError


def run_of(features: int, trains: bool = False) -> Any:
    network = Network().model_copy(update={"features": features})
    config = SimpleNamespace(
        network=network, inference=Inference(), training=Training(engine="winograd"), trains=trains
    )
    return SimpleNamespace(config=config)


@pytest.mark.parametrize(
    ("cpu", "found", "state", "said"),
    [
        (["avx512", "avx2"], "avx512", OK, "compiled for avx512"),
        (["avx512", "avx2"], "avx2", WARN, "not compiled for avx512 .* runs with avx2"),
        (["avx2"], None, WARN, "not compiled for avx2 .* runs with another engine"),
        ([], None, SKIP, "not for this network or CPU"),
    ],
)
def test_it_is_good_only_where_compiled_for_the_best_that_the_cpu_has(
    monkeypatch: pytest.MonkeyPatch, cpu: list[str], found: str | None, state: str, said: str
) -> None:
    monkeypatch.setattr(engine, "cpu_instructions", lambda: cpu)
    monkeypatch.setattr(engine, "instructions", lambda: found)
    finding = engine.compiled(run_of(features=32))
    assert finding.state == state
    assert re.search(said, finding.text)


def test_a_training_that_asks_for_it_on_a_network_that_it_is_not_for_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"training\.engine is 'winograd', which needs .* network of up to 64"
    ):
        engine.compiled(run_of(features=65, trains=True))
