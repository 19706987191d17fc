"""For tests of the compiled code: each set of instructions that this CPU has."""

from __future__ import annotations

import pytest

from pipeline.config import Network
from pipeline.ffn.winograd.compiled import INSTRUCTIONS, instructions, library
from pipeline.machine import processor

needs_compiled = pytest.mark.skipif(
    library(Network(features=16)) is None,
    reason="the C code is not for this CPU, or could not be compiled",
)


@pytest.fixture(params=INSTRUCTIONS)
def compiled_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each set of instructions that this CPU has; it seems to have no other."""
    name: str = request.param
    if not INSTRUCTIONS[name] <= processor.cpu_flags():
        pytest.skip(f"this CPU has no {name}")
    monkeypatch.setattr(processor, "cpu_flags", lambda: INSTRUCTIONS[name])
    if instructions() is None:
        pytest.skip(f"the C code could not be compiled for {name}")
    return name
