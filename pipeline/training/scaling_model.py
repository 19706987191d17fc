"""A model of how training scales: what a step of N ranks takes, by what one rank takes and by the network.

A step ends when the slowest rank has computed and all have averaged:

    step = expected slowest of N ranks + allreduce

What it assumes. A rank's time for a FOV is a constant and, above it, jitter that is exponential, and
independent from FOV to FOV and from rank to rank: of what a machine does beside, and of late messages. So the
slowest of N ranks is jitter * H(N) above the constant, H(N) = 1 + 1/2 + ... + 1/N. Time is linear in the FOVs
of a batch. Ranks are alike: one that is slower all the time is no jitter. Averaging begins when the gradient
is complete, as it does here: all of it is one message. Every rank has the network to itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import integrate, optimize, special

from pipeline.config import Network

BYTES_PER_WEIGHT = 4
GRID = 4000
"""Places at which a distribution is summed up."""

STUDY = {1024: 0.71, 2048: 0.68}
"""Parallel efficiency by KNL nodes of Theta, one rank a node, batch 1 (arXiv 1905.06236)."""

STUDY_FOVS_PER_S = 523.0
"""Of its 1024 nodes."""

STUDY_BYTES = 472_353 * BYTES_PER_WEIGHT
"""Of its gradient: depth 9, 32 features."""


@dataclass(frozen=True)
class Compute:
    """Seconds in which one rank shows the network one FOV and has its gradient."""

    least_s: float
    jitter_s: float
    """The mean of what comes on top; as exponential jitter, its standard deviation too."""

    @property
    def mean_s(self) -> float:
        return self.least_s + self.jitter_s


@dataclass(frozen=True)
class Link:
    """What the ranks are joined by."""

    latency_s: float = 14e-6
    """Of one message, software and all. By default what explains the study's points, with a ring."""
    bytes_per_s: float = 1e9

    def allreduce_s(self, ranks: int, size: int, algorithm: Literal["ring", "tree"] = "ring") -> float:
        """Seconds in which `size` bytes are averaged over all ranks.

        A ring passes each rank's share on 2 (N - 1) times; a tree passes all of it 2 log2(N) times.
        """
        if algorithm == "ring":
            return 2 * (ranks - 1) * (self.latency_s + size / ranks / self.bytes_per_s)
        return 2 * math.ceil(math.log2(ranks)) * (self.latency_s + size / self.bytes_per_s)


@dataclass(frozen=True)
class Setup:
    """How a training is shared out."""

    ranks: int
    batch: int = 1
    """FOVs of a step of one rank."""
    local_steps: int = 1
    """Steps between two averagings."""
    backups: int = 0
    """Of the ranks, how many of the slowest are not waited for; what they computed is lost."""


@dataclass(frozen=True)
class ScalingModel:
    """What a training of any setup takes."""

    compute: Compute
    size: int
    """Bytes that are averaged."""
    link: Link = Link()
    algorithm: Literal["ring", "tree"] = "ring"

    def averaging_every_s(self, setup: Setup) -> float:
        """Seconds from one averaging to the next: a step, where there is one step between them."""
        fovs = setup.batch * setup.local_steps
        slowest = expected_order_statistic(setup.ranks, setup.backups, fovs) * self.compute.jitter_s
        allreduce = self.link.allreduce_s(setup.ranks, self.size, self.algorithm)
        return fovs * self.compute.least_s + slowest + allreduce

    @classmethod
    def of_steps(
        cls, step_s: float, step_s_std: float, setup: Setup, size: int, link: Link | None = None
    ) -> ScalingModel:
        """By mean and standard deviation of one rank's steps in a training of this setup, with a link that is
        known.

        Of its local steps all but the last take what the rank itself takes; the last ends when the slowest of
        all has computed as many and they have averaged.
        """
        link, every = link or Link(), setup.local_steps
        allreduce_s = link.allreduce_s(setup.ranks, size)
        computing_s = max(0.0, step_s - allreduce_s / every)
        slowest = expected_order_statistic(setup.ranks, setup.backups, setup.batch * every) / every
        # the deviation's square is a polynomial of the jitter
        square = _variance_of_steps(setup)
        half = allreduce_s * (every - 1) / every * (slowest - setup.batch)
        beyond = max(0.0, step_s_std**2 - (every - 1) * (allreduce_s / every) ** 2)
        jitter_s = (math.sqrt(half**2 + square * beyond) - half) / square
        jitter_s = min(jitter_s, computing_s / slowest)
        return cls(Compute((computing_s - slowest * jitter_s) / setup.batch, jitter_s), size, link)

    def fovs_per_s(self, setup: Setup) -> float:
        """FOVs that count, of all ranks together."""
        fovs = (setup.ranks - setup.backups) * setup.batch * setup.local_steps
        return fovs / self.averaging_every_s(setup)

    def efficiency(self, setup: Setup) -> float:
        """FOV/s against those of as many ranks of which each trains alone."""
        return self.fovs_per_s(setup) * self.compute.mean_s / setup.ranks

    def node_hours(self, setup: Setup, fovs: int, ranks_per_node: int = 1) -> float:
        """Of a training of so many FOVs."""
        nodes = -(-setup.ranks // ranks_per_node)
        return fovs / self.fovs_per_s(setup) * nodes / 3600


def expected_order_statistic(ranks: int, backups: int, fovs: int) -> float:
    """When all ranks but `backups` have the jitter of `fovs` FOVs behind them, on average.

    The unit is the mean jitter of one FOV. One FOV's jitter is exponential, so that of `fovs` is
    Gamma(fovs); the time is that of its order statistic of rank ranks - backups among `ranks`.
    """
    return _order_statistic(ranks, backups, fovs)[0]


@lru_cache(maxsize=4096)
def _order_statistic(ranks: int, backups: int, fovs: int) -> tuple[float, float]:
    """The mean of that time, and of its square."""
    if fovs == 1:
        mean = harmonic(ranks) - harmonic(backups)
        variance = special.polygamma(1, backups + 1) - special.polygamma(1, ranks + 1)
        return mean, mean**2 + float(variance)
    most = special.gammainccinv(fovs, 1e-12 / ranks)  # of many ranks 1 less that is 1
    x = np.linspace(0, most, GRID)
    left = 1 - special.betainc(ranks - backups, backups + 1, special.gammainc(fovs, x))
    return float(integrate.trapezoid(left, x)), float(integrate.trapezoid(2 * x * left, x))


def _variance_of_steps(setup: Setup) -> float:
    """Of one rank's steps, in which a FOV's mean jitter is 1 and averaging takes no time.

    The last of its local steps takes the slowest's time M less the rank's own S before it. Gamma's times
    are independent of how they are shared out, so that E[M S] is E[M] times (fovs + 1 / ranks) of S's part.
    """
    batch, every = setup.batch, setup.local_steps
    mean, square = _order_statistic(setup.ranks, setup.backups, batch * every)
    before = batch * (every - 1)
    last = square - 2 * mean * (every - 1) / every * (batch * every + 1 / setup.ranks) + before * (before + 1)
    return (last + before * (batch + 1)) / every - (mean / every) ** 2


def harmonic(n: int) -> float:
    """1 + 1/2 + ... + 1/n; 0 for n = 0."""
    return float(special.digamma(n + 1) + np.euler_gamma)


def gradient_bytes(network: Network) -> int:
    """Bytes of the gradient of a network, in float32."""
    features = network.features
    layers = 2 * network.depth - 1
    weights = 27 * 2 * features + features + layers * (27 * features**2 + features) + features + 1
    return BYTES_PER_WEIGHT * weights


def explain(
    mean_s: float, efficiencies: Mapping[int, float], size: int, algorithm: Literal["ring", "tree"] = "ring"
) -> ScalingModel:
    """The jitter and latency that explain measured efficiencies best, given what a step of one rank takes.

    Steps are of one FOV; the bandwidth is that of Link. Neither can be less than 0.
    """
    seconds = [mean_s / efficiency for efficiency in efficiencies.values()]
    bandwidth = [Link(latency_s=0).allreduce_s(n, size, algorithm) for n in efficiencies]
    hops = [Link(latency_s=1).allreduce_s(n, 0, algorithm) for n in efficiencies]
    a = np.array([[harmonic(n) - 1, hop] for n, hop in zip(efficiencies, hops)])
    b = np.array(seconds) - mean_s - np.array(bandwidth)
    scale = np.abs(a).max(axis=0)  # seconds and messages differ by many powers of ten
    (jitter_s, latency_s), _ = optimize.nnls(a / scale, b)
    jitter_s, latency_s = jitter_s / scale[0], latency_s / scale[1]
    return ScalingModel(
        Compute(mean_s - jitter_s, float(jitter_s)), size, Link(latency_s=float(latency_s)), algorithm
    )


def of_the_study() -> ScalingModel:
    """The model that explains the study's points, from its single-node rate on."""
    return explain(study_step_s(), STUDY, STUDY_BYTES)


def study_step_s() -> float:
    """Seconds of a step of one of the study's nodes, which its rate and efficiency at 1024 nodes imply."""
    return STUDY[1024] * 1024 / STUDY_FOVS_PER_S


def what_reaches(model: ScalingModel, setup: Setup, efficiency: float) -> dict[str, Setup]:
    """The least change of each kind that brings a setup to an efficiency, by what is changed.

    A kind that cannot do it alone is left out.
    """
    found: dict[str, Setup] = {}
    doublings = [2**power for power in range(11)]
    kinds = {
        "batch": [replace(setup, batch=setup.batch * n) for n in doublings],
        "local steps": [replace(setup, local_steps=setup.local_steps * n) for n in doublings],
        "backup workers": [replace(setup, backups=n) for n in range(0, setup.ranks // 4 + 1)],
    }
    for kind, tried in kinds.items():
        good = (each for each in tried if model.efficiency(each) >= efficiency)
        if (first := next(good, None)) is not None:
            found[kind] = first
    return found


def best_backups(model: ScalingModel, setup: Setup) -> Setup:
    """The number of backup workers, up to a quarter of the ranks, that gives the most FOV/s that count."""
    tried = (replace(setup, backups=n) for n in range(setup.ranks // 4 + 1))
    return max(tried, key=model.fovs_per_s)
