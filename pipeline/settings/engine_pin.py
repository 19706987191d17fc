"""What runs the network for all tiles of a run, once the first of its workers has chosen it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.settings.inference import Inference

MEANT_BY_AUTO = ("float32", "tensorfloat32")
"""Precisions, on one machine or another."""


@dataclass(frozen=True)
class EnginePin:
    """An engine and its precision, as they were found on the machine of the first worker."""

    environment: Mapping[str, str]
    """What decided the bytes of tiles there, by name: `engine`, `precision`, `cpu`, versions of packages."""
    asked_precision: str
    """That of the settings at that time, which the machine may not have had."""
    host: str

    @property
    def engine(self) -> str:
        return self.environment["engine"]

    @property
    def precision(self) -> str:
        return self.environment["precision"]

    def __str__(self) -> str:
        return f"{self.engine} in {self.precision}"

    def fits(self, inference: Inference) -> bool:
        """Whether the settings leave open what is pinned, or ask for the very same.

        `auto` leaves no precision open that it never means: who takes bfloat16 back wants to be rid of it.
        """
        asked = {self.precision, self.asked_precision}
        if self.precision in MEANT_BY_AUTO:
            asked.add("auto")
        return inference.engine in ("auto", self.engine) and inference.precision in asked

    def applied_to(self, inference: Inference) -> Inference:
        """The settings with this engine and precision in place of theirs."""
        pinned: Inference = inference.model_copy(update={"engine": self.engine, "precision": self.precision})
        return pinned
