"""Flood filling written out plainly: the independent reference that Canvas is compared with.

It follows the description of google/ffn's `Canvas.segment_all` rule by rule, with whole-volume
arrays, no views and no shortcuts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np

from pipeline.config import Inference
from pipeline.geometry import Triple

Network = Callable[[np.ndarray], np.ndarray]
"""Gives for a FOV (z, y, x, 2) what to add to its POM, (z, y, x)."""


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def flood_all(
    image: np.ndarray,
    seeds: Iterable[Triple],
    network: Network,
    fov: Triple,
    deltas: Triple,
    settings: Inference,
) -> tuple[np.ndarray, list[int]]:
    """The labels (-1 at excluded seeds), and the network calls spent on each object kept."""
    labels = np.zeros(image.shape, int)
    calls_of = []
    for seed in seeds:
        if not fits(seed, image.shape, fov) or labels[seed] > 0:
            continue
        near = itertools.product(*(range(-d, d + 1) for d in settings.min_boundary_dist))
        if any(labels[tuple(s + o for s, o in zip(seed, offset))] > 0 for offset in near):
            labels[seed] = -1
            continue
        pom, calls = flood(image, labels, seed, network, fov, deltas, settings)
        kept = (pom >= log_odds(settings.segment_threshold)) & (labels <= 0)
        if pom[seed] < log_odds(settings.move_threshold) or kept.sum() < settings.min_segment_voxels:
            labels[seed] = -1 if labels[seed] == 0 else labels[seed]
        else:
            calls_of.append(calls)
            labels[kept] = len(calls_of)
    return labels, calls_of


def flood(
    image: np.ndarray,
    labels: np.ndarray,
    seed: Triple,
    network: Network,
    fov: Triple,
    deltas: Triple,
    settings: Inference,
) -> tuple[np.ndarray, int]:
    """The POM (NaN where never predicted) after flooding from `seed`, and the calls it took."""
    move = log_odds(settings.move_threshold)
    pom = np.full(image.shape, np.nan, np.float32)
    pom[seed] = log_odds(settings.seed_probability)
    queue, done, calls = [seed], set(), 0
    while queue:
        at = queue.pop(0)
        cell = tuple((a - s + d // 2) // d for a, s, d in zip(at, seed, deltas))
        if cell in done or pom[at] < move or not fits(at, image.shape, fov) or labels[at] > 0:
            continue
        if pom[seed] < move:
            break
        window = tuple(slice(a - f // 2, a + f // 2 + 1) for a, f in zip(at, fov))
        old = pom[window].copy()
        shown = np.where(np.isnan(old), np.float32(log_odds(settings.pad_probability)), old)
        new = shown + network(np.stack([image[window], shown], axis=-1))
        if (new >= move).any():
            new = np.where(~np.isnan(old) & (old < 0) & (new > old), old, new)
        pom[window] = new
        calls += 1
        done.add(cell)
        queue += [tuple(a + o for a, o in zip(at, offset)) for offset in best_faces(new, deltas, move)]  # type: ignore[misc]
    return pom, calls


def best_faces(new: np.ndarray, deltas: Triple, move: float) -> list[tuple[int, ...]]:
    centre = [n // 2 for n in new.shape]
    found = set()
    for axis, sign in itertools.product(range(3), (-1, 1)):
        ranges: list[Iterable[int]] = [range(-d, d + 1) for d in deltas]
        ranges[axis] = [sign * deltas[axis]]
        scored = [(new[tuple(c + o for c, o in zip(centre, p))], p) for p in itertools.product(*ranges)]
        score, offset = max(scored, key=lambda pair: pair[0])
        if score >= move:
            found.add((float(score), offset))
    return [offset for _, offset in sorted(found, reverse=True)]


def fits(at: Triple, shape: tuple[int, ...], fov: Triple) -> bool:
    return all(f // 2 <= a < n - f // 2 for a, n, f in zip(at, shape, fov))
