"""Lines without loops, such as arise where pieces of neighbouring cells meet in more than one place.

kimimaro's own way leaves nothing of a loop that nothing leads to, and a straight line of one with a single
way in: of an object in four cells around an edge of theirs that was most.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np

Beside = dict[int, set[int]]


def without_loops(nodes: np.ndarray, edges: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The edges that are left, (m, 2), in order, of lines with `nodes`, (n, 3), and `radii` at these, (n,).

    A loop with two ways out is a line that is doubled: its shorter side goes. Any other is cut where it is
    thinnest, and keeps all else.
    """
    beside: Beside = {n: set() for n in range(len(nodes))}
    closing = _grown(edges, radii, beside)
    waiting = Counter(end for edge in closing for end in edge)
    for a, b in closing:
        ring = _path(beside, a, b)
        ways = [at for at, n in enumerate(ring) if len(beside[n]) + waiting[n] > 2]
        waiting.subtract((a, b))
        if len(ways) != 2:
            continue
        first, last = ways
        inner, outer = ring[first : last + 1], ring[last:] + ring[: first + 1]  # which goes over a and b
        if _length(nodes, inner) < _length(nodes, outer):
            _join(beside, a, b)
            _part(beside, inner)
        else:
            _part(beside, outer)
    left = sorted((a, b) for a, others in beside.items() for b in others if a < b)
    return np.array(left, np.uint32).reshape(-1, 2)


def _grown(edges: np.ndarray, radii: np.ndarray, beside: Beside) -> list[tuple[int, int]]:
    """Join nodes along edges, the thickest first; those that would close a loop are returned."""
    ends = np.unique(np.sort(edges.astype(np.int64), axis=1), axis=0)
    order = np.lexsort((*ends.T[::-1], -radii[ends].min(axis=1)))
    part, closing = list(range(len(radii))), []

    def root(n: int) -> int:
        while part[n] != n:
            part[n] = n = part[part[n]]
        return n

    for a, b in ends[order].tolist():
        of_a, of_b = root(a), root(b)
        if of_a == of_b:
            closing.append((a, b))
        else:
            part[of_a] = of_b
            _join(beside, a, b)
    return closing


def _path(beside: Beside, a: int, b: int) -> list[int]:
    """The nodes from one to another on the way between them, of which there is one."""
    before, seen = {a: a}, deque([a])
    while b not in before:
        n = seen.popleft()
        for other in sorted(beside[n] - before.keys()):
            before[other] = n
            seen.append(other)
    path = [b]
    while path[-1] != a:
        path.append(before[path[-1]])
    return path[::-1]


def _join(beside: Beside, a: int, b: int) -> None:
    beside[a].add(b)
    beside[b].add(a)


def _part(beside: Beside, path: Sequence[int]) -> None:
    """Take away the edges of a path, as far as they are there."""
    for a, b in itertools.pairwise(path):
        beside[a].discard(b)
        beside[b].discard(a)


def _length(nodes: np.ndarray, path: Sequence[int]) -> float:
    return float(np.linalg.norm(np.diff(nodes[list(path)], axis=0), axis=1).sum())
