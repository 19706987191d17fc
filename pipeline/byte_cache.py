"""ByteCache: arrays that were read last, as many as go into so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


class ByteCache(Generic[Key]):
    """Keeps the arrays that were asked for last, in `most_bytes` together, but `least` in any case."""

    def __init__(self, most_bytes: int, least: int = 1) -> None:
        self._most_bytes, self._least = most_bytes, least
        self._kept: OrderedDict[Key, np.ndarray] = OrderedDict()
        self.nbytes = 0
        """Of all that is kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key, read: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of this key; read if it is not kept. It is the cache's own, not to be written to."""
        if key not in self._kept:
            # what surely has to go goes first: a moment later there would be one more in memory
            self._let_go(self._most_bytes - 1, self._least - 1)
            self._kept[key] = read()
            self.nbytes += self._kept[key].nbytes
            self._let_go(self._most_bytes, self._least)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _let_go(self, most_bytes: int, least: int) -> None:
        """Of the oldest."""
        while self.nbytes > most_bytes and len(self._kept) > least:
            self.nbytes -= self._kept.popitem(last=False)[1].nbytes
