"""The server of `ffn view`: Neuroglancer's own, and beside it the volumes and the scenes that lead there.

| address | what |
| --- | --- |
| `/v/TOKEN/#!STATE` | Neuroglancer, which comes with its Python package |
| `/data/TOKEN/LAYER/...` | the files of a layer, as Neuroglancer precomputed |
| `/at/TOKEN` | leads to the scene, and lets the browser in for later |
| `/at?point=Z,Y,X&segments=...&truth=...&run=KEY` | leads a browser that was let in to a point |

It listens on this machine alone, where others may be too: who does not know the token gets nothing.
"""

from __future__ import annotations

import errno
import re
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import quote

import neuroglancer
from neuroglancer import server as neuroglancer_server

from pipeline.errors import InputError
from pipeline.viewing.chunks import VolumeChunks
from pipeline.viewing.handlers import ChunkHandler, FileHandler, NothingHandler, ObjectHandler, SceneHandler
from pipeline.viewing.layers import Layer, Shown
from pipeline.viewing.links import ADDRESS, POINT_PATH, point_query
from pipeline.viewing.scene import Point, fragment, scene

TOKEN_BYTES = 16


class ViewServer:
    """Serves what is `shown` until the context ends.

    `tell` gets a line for each chunk that cannot be read. Raises InputError where `port` (0: any that
    is free) cannot be had.
    """

    def __init__(self, shown: Shown, port: int, tell: Callable[[str], None]) -> None:
        self.key = shown.key
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.is_drawn = False
        """Whether what is shown is for a file."""
        self._shown = shown
        self._tell = tell
        neuroglancer.set_server_bind_address(ADDRESS, port)
        try:
            # with a token of ours it gives nobody the user's credentials for buckets
            self.viewer = neuroglancer.UnsynchronizedViewer(token=self.token)
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
            raise InputError(
                f"port {port} of {ADDRESS} {why}; set --port to another one, or to 0 for any that is free"
            ) from None
        running = neuroglancer_server.global_server
        self.port: int = running.port
        running.app.add_handlers(".*", self._handlers())

    def __enter__(self) -> ViewServer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        neuroglancer.stop()

    @property
    def link(self) -> str:
        """What opens the scene and lets a browser in."""
        return f"http://{ADDRESS}:{self.port}{POINT_PATH}/{self.token}"

    def link_to(self, point: Point | None) -> str:
        """What opens the scene at a point, if one is given."""
        query = point_query(point.voxel, point.segments, point.truth) if point else ""
        return f"{self.link}?{query}" if query else self.link

    def scene_address(self, host: str, point: Point | None = None) -> str:
        """Where the scene is for a browser that sees this server as `host`, an address and a port."""
        sources = {layer.name: self._source(layer, host) for layer in self._shown.layers}
        state = scene(self._shown, sources, point, self.is_drawn)
        return f"http://{host}/v/{self.token}/{fragment(state)}"

    def _path(self, layer: Layer) -> str:
        return f"/data/{self.token}/{quote(layer.name)}"

    def _source(self, layer: Layer, host: str) -> str:
        stored = layer.stored
        if stored is None or layer.bucket is not None or stored.startswith("file://"):
            return f"precomputed://http://{host}{self._path(layer)}"
        return f"precomputed://{stored}"

    def _handlers(self) -> list[tuple[str, type, dict[str, Any]]]:
        found: list[tuple[str, type, dict[str, Any]]] = [
            (f"{POINT_PATH}(?:/([^/]*)/?)?", SceneHandler, {"view": self})
        ]
        for layer in self._shown.layers:
            at, stored = f"{re.escape(self._path(layer))}/(.*)", layer.stored
            if layer.bucket is not None:
                found.append((at, ObjectHandler, {"bucket": layer.bucket, "tell": self._tell}))
            elif stored is None:
                size = layer.volume.voxel_size_nm or self._shown.voxel_size_nm
                chunks = VolumeChunks(layer.volume, layer.kind, size, layer.shapes)
                found.append((at, ChunkHandler, {"chunks": chunks, "tell": self._tell}))
            elif stored.startswith("file://"):
                folder = stored.removeprefix("file://")
                found.append((at, FileHandler, {"path": folder, "tell": self._tell}))
        return [*found, ("/data/.*", NothingHandler, {})]
