"""Links to a point of a run, which work wherever `ffn view` shows that run at its usual port."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlencode

from pipeline.geometry import Triple
from pipeline.results.unreadable import read_if_there
from pipeline.run_folder import Run

ADDRESS = "127.0.0.1"
PORT = 8123
"""Where `ffn view` listens unless it is told another one."""

POINT_PATH = "/at"
KEY_DIGITS = 8


def run_key(run: Run) -> str:
    """What tells a run from others: a part of the SHA-256 of its settings. Raises Unreadable."""
    return hashlib.sha256(read_if_there(run.config_file) or b"").hexdigest()[:KEY_DIGITS]


def point_link(
    run: Run, point: Triple, segments: Sequence[int] = (), truth: Sequence[int] = (), port: int = PORT
) -> str:
    """The address at which `ffn view` shows the voxel `point` (z, y, x) of a run, these ids selected.

    It holds no secret, and no name of this machine: a browser is let in that has opened the link which
    `ffn view` prints. Equal settings give equal links. Raises Unreadable.
    """
    return f"http://{ADDRESS}:{port}{POINT_PATH}?{point_query(point, segments, truth, run=run_key(run))}"


def point_query(point: Triple, segments: Sequence[int], truth: Sequence[int], **more: str) -> str:
    """What a link says of a point, and `more`."""
    query = {"point": _listed(point), "segments": _listed(segments), "truth": _listed(truth), **more}
    return urlencode({name: text for name, text in query.items() if text}, safe=",")


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(str(int(number)) for number in numbers)
