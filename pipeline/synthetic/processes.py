"""The axes of the phantom's processes: branching trees on a jittered lattice that fill a volume densely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.geometry import Triple
from pipeline.synthetic.noise import Waves
from pipeline.synthetic.rods import Rods

JITTER = 0.25
"""Largest displacement of a node, in lattice spacings: disjoint edges stay half a spacing apart."""

MIN_NODES = 4
"""Lattice nodes of the smallest process."""


def grow_processes(shape: Triple, spacing: float, rng: np.random.Generator) -> Rods:
    """Trees that together visit every node of a jittered lattice over `shape`; labels are 1..N.

    The edges of one tree never come nearer than 0.6 lattice spacings to those of another, and
    radii differ by less than that, so every axis lies inside its own process.
    Takes about 200 bytes a node, that is 1/30 byte a voxel at a spacing of 18.
    """
    counts = np.maximum(1, np.round(np.array(shape) / spacing).astype(int))
    steps = np.array(shape) / counts
    nodes = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    positions = (nodes + 0.5 + rng.uniform(-JITTER, JITTER, nodes.shape)) * steps
    edges, costs = _lattice_edges(counts, rng)
    edges = _forest(len(nodes), edges, costs)
    _, tree = _trees(len(nodes), edges)
    lone = np.setdiff1d(np.arange(len(nodes)), edges)
    edges = np.concatenate([edges, np.stack([lone, lone], axis=1)])
    thickness = rng.uniform(-0.13, 0.13, tree.max() + 1)[tree] + rng.uniform(-0.08, 0.08, len(nodes))
    radii = (0.5 + thickness) * spacing
    a, b = edges.T
    return Rods(
        positions[a].astype(np.float32),
        positions[b].astype(np.float32),
        radii[a].astype(np.float32),
        radii[b].astype(np.float32),
        (tree[a] + 1).astype(np.uint32),
    )


def _lattice_edges(
    counts: NDArray[np.integer], rng: np.random.Generator
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Every pair of neighbouring nodes, and what it costs to join them: least along the local grain."""
    index = np.arange(np.prod(counts)).reshape(counts)
    edges, costs = [], []
    for axis in range(3):
        grain = Waves(rng, wavelength=6)([np.arange(n) for n in counts])
        first = np.take(index, np.arange(counts[axis] - 1), axis).ravel()
        second = np.take(index, np.arange(1, counts[axis]), axis).ravel()
        edges.append(np.stack([first, second], axis=1))
        costs.append(rng.uniform(0, 1, len(first)) - 1.2 * grain.ravel()[first])
    return np.concatenate(edges), np.concatenate(costs)


def _forest(n_nodes: int, edges: NDArray[np.integer], costs: NDArray[np.floating]) -> NDArray[np.integer]:
    """Boruvka's algorithm, stopped: trees under MIN_NODES join another by their cheapest edge.

    Joining at a node that has two edges already, a branch, costs extra.
    """
    chosen = np.zeros(len(edges), bool)
    while True:
        count, tree = _trees(n_nodes, edges[chosen])
        small = np.bincount(tree) < MIN_NODES
        if count == 1 or not small.any():
            return edges[chosen]
        degrees = np.bincount(edges[chosen].ravel(), minlength=n_nodes)
        price = costs + 1.5 * np.maximum(0, degrees[edges] - 1).sum(axis=1)
        ends = tree[edges]
        order = np.argsort(price, kind="stable")
        order = order[ends[order, 0] != ends[order, 1]]
        cheapest = np.full(count, len(order))
        np.minimum.at(cheapest, ends[order], np.arange(len(order))[:, None])
        chosen[order[cheapest[small]]] = True


def _trees(n_nodes: int, edges: NDArray[np.integer]) -> tuple[int, NDArray[np.integer]]:
    """Number of connected components, and each node's."""
    graph = coo_array((np.ones(len(edges), bool), tuple(edges.T)), (n_nodes, n_nodes))
    count, tree = connected_components(graph, directed=False)
    return count, tree
