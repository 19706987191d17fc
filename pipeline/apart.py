"""Which joins of segments to leave out, so that what is to stay apart does."""

from __future__ import annotations

import numpy as np


def joins_to_keep(a: np.ndarray, b: np.ndarray, strength: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """For every join of nodes `a` and `b` whether it is made: a bool array.

    The strongest is made first, equal ones in the order of their nodes, and one by which two nodes of a row
    of `apart`, (n, 2), would be of one object is not made at all. Whatever the order of the joins, the same
    are made. Nodes are integers; only nodes of joins may be in `apart`.
    """
    objects = _Objects()
    for one, other in apart.tolist():
        objects.part(one, other)
    order = np.lexsort((np.maximum(a, b), np.minimum(a, b), -strength))
    made = np.ones(len(a), bool)
    for row, one, other in zip(order.tolist(), a[order].tolist(), b[order].tolist()):
        made[row] = objects.join(one, other)
    return made


class _Objects:
    """Disjoint sets of nodes, each with those that it may not be joined with."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._foes: dict[int, set[int]] = {}
        """Of the first node of each set, those of the sets that it may not be joined with."""

    def part(self, one: int, other: int) -> None:
        """Two nodes, not yet joined with any other, are never to be of one set."""
        self._foes.setdefault(one, set()).add(other)
        self._foes.setdefault(other, set()).add(one)

    def join(self, one: int, other: int) -> bool:
        """Make one set of two, unless they are to stay apart: whether they are one now."""
        a, b = self._first(one), self._first(other)
        if a == b:
            return True
        foes = self._foes.get(a, set()), self._foes.get(b, set())
        if b in foes[0]:
            return False
        if len(foes[0]) < len(foes[1]):
            a, b = b, a
        self._parent[b] = a
        for foe in self._foes.pop(b, set()):
            self._foes[foe].remove(b)
            self.part(foe, a)
        return True

    def _first(self, node: int) -> int:
        while (parent := self._parent.get(node, node)) != node:
            self._parent[node] = self._parent.get(parent, parent)
            node = parent
        return node
