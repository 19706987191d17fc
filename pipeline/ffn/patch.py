"""The patch of a training example: what the FOV can reach around the example's centre."""

from __future__ import annotations

from pipeline.config import Network
from pipeline.geometry import Triple, triple


def patch_radius(network: Network, moves_reach: int = 1) -> Triple:
    """Voxels from an example's centre to the edge of its patch."""
    return triple([f // 2 + moves_reach * d for f, d in zip(network.fov, network.deltas)])
