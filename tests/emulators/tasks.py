"""Tasks for workers on emulated nodes, which must be able to import them."""

from __future__ import annotations

import os
import time


def node_after(seconds: float) -> str:
    """Sleep, then return the name of the node."""
    time.sleep(seconds)
    return os.environ["EMULATED_NODE"]
