"""Presets: named answers to "how fast, and how good?" for inference."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.config import Inference, Network, Precision, Preset
from pipeline.geometry import Triple, triple


class Choice(NamedTuple):
    """What a preset stands for."""

    delta_scale: float
    """The step of the FOV as a multiple of the one that the network was trained with."""
    precision: Precision


PRESETS: dict[Preset, Choice] = {
    "best": Choice(1.0, "float32"),
    "balanced": Choice(1.0, "auto"),
    "fast": Choice(1.5, "auto"),
}
"""Figures are in docs/benchmarks.md. Deltas of the published network are 8, 8 and 12."""


def with_preset(inference: Inference, network: Network) -> Inference:
    """The settings with those of their preset, if they name one, in place of what they leave open.

    Deltas left open are the network's: written out, they are the same settings.
    """
    chosen = PRESETS[inference.preset] if inference.preset else Choice(1.0, "auto")
    updates: dict[str, object] = {}
    if inference.deltas is None:
        updates["deltas"] = _scaled(network, chosen.delta_scale)
    if inference.precision == "auto":
        updates["precision"] = chosen.precision
    return inference.model_copy(update=updates)


def _scaled(network: Network, scale: float) -> Triple:
    """The network's deltas times `scale`, at most half its FOV."""
    return triple([max(d, min(int(d * scale), f // 2)) for d, f in zip(network.deltas, network.fov)])
