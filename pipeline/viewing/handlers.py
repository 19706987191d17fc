"""What answers a browser that asks for voxels or for a scene."""

from __future__ import annotations

import asyncio
import gzip
import html
import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from pipeline.errors import InputError
from pipeline.geometry import Triple, triple
from pipeline.results.bucket import Bucket
from pipeline.viewing.chunks import VolumeChunks
from pipeline.viewing.scene import Point

if TYPE_CHECKING:
    from pipeline.viewing.server import ViewServer

ENCODINGS = {"": "", ".gz": "gzip", ".br": "br", ".zstd": "zstd"}
"""What CloudVolume adds to the names of files that it compresses, and what a browser is told."""

RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>(?(first)\d*|\d+))")
"""One range of bytes; whoever asks for several gets all."""

LEADING = "<!doctype html><title>ffn view</title><script>location.replace({})</script>"
"""Leads a browser to an address, and is not gone back to."""

UNPACKED = (".xz", ".bz2")
"""The same, where no browser can unpack it."""


class DataHandler(RequestHandler):
    """Lets pages of other addresses read: who has the token may use another Neuroglancer."""

    def set_default_headers(self) -> None:
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Range, If-None-Match, If-Modified-Since")
        exposed = "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag"
        self.set_header("Access-Control-Expose-Headers", exposed)
        self.set_header("Access-Control-Allow-Private-Network", "true")
        self.set_header("Cache-Control", "no-cache")  # a run at work goes on to write
        self.set_header("X-Content-Type-Options", "nosniff")

    def options(self, *_: str) -> None:
        """What a browser asks before it reads from another address."""
        self.set_status(204)

    def write_error(self, status_code: int, **_: Any) -> None:
        """A line, and nothing of this machine."""
        self.set_header("Content-Type", "text/plain")
        self.finish(f"{status_code} {self._reason}\n")


class FileHandler(DataHandler, StaticFileHandler):
    """Files as they lie below one folder, whole or in ranges; whatever leads out of it is refused."""

    def initialize(self, path: str, tell: Callable[[str], None]) -> None:  # type: ignore[override]
        super().initialize(path)
        self._tell = tell

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The file, or the compressed one that stands for it, if it really lies below `root`."""
        if "\0" in absolute_path:
            raise HTTPError(404)
        suffix = next((s for s in ENCODINGS if os.path.isfile(absolute_path + s)), "")
        if not suffix and any(os.path.isfile(absolute_path + other) for other in UNPACKED):
            raise HTTPError(501, reason="stored in a compression that browsers do not know")
        if not Path(absolute_path + suffix).resolve().is_relative_to(Path(root).resolve()):
            raise HTTPError(403)
        if os.path.isfile(absolute_path + suffix) and not os.access(absolute_path + suffix, os.R_OK):
            self._tell(f"{absolute_path}{suffix} cannot be shown: you may not read it")
            raise HTTPError(403)
        if suffix:
            self.set_header("Content-Encoding", ENCODINGS[suffix])
        return super().validate_absolute_path(root, absolute_path + suffix)

    def compute_etag(self) -> str | None:
        """By when and how large the file is: shards are large, and are not read for it."""
        assert self.absolute_path is not None
        found = os.stat(self.absolute_path)
        return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'

    def get_content_type(self) -> str:
        return "application/octet-stream"


class BytesHandler(DataHandler):
    """Bytes that a function reads, in a thread of its own."""

    _tell: Callable[[str], None]

    async def get(self, name: str) -> None:
        """Answer with what is asked for."""
        raise NotImplementedError

    async def head(self, name: str) -> None:
        """As `get`; tornado leaves out what is written."""
        await self.get(name)

    async def _read_by(self, read: Callable[[str], bytes | None], name: str) -> bytes:
        """What is read, its header set; or else an error for the browser, and a line for whoever serves."""
        try:
            content = await asyncio.get_running_loop().run_in_executor(None, read, name)
        except InputError as error:
            self._tell(f"{name} cannot be shown: {error}")
            raise HTTPError(500, reason="cannot be read") from None
        if content is None:
            raise HTTPError(404)
        self.set_header("Content-Type", "application/octet-stream")
        return content


class ObjectHandler(BytesHandler):
    """Objects of a bucket's folder, whole or in ranges, read as whoever runs the server may read them."""

    def initialize(self, bucket: Bucket, tell: Callable[[str], None]) -> None:
        self._bucket = bucket
        self._tell = tell

    async def get(self, name: str) -> None:
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise HTTPError(404)
        content = await self._read_by(self._read, name)
        self.set_header("Accept-Ranges", "bytes")
        self.finish(content)

    def _read(self, name: str) -> bytes | None:
        """What is asked for of an object; None where there is none. Raises Unreadable."""
        asked = RANGE.fullmatch(self.request.headers.get("Range", ""))
        found = self._bucket.look(name) if asked else None
        if asked is None or found is None:
            return self._bucket.get(name)
        size = found["size"]
        first, last = asked["first"], asked["last"]
        start = int(first) if first else max(0, size - int(last))
        stop = min(size, int(last) + 1) if first and last else size
        if start >= stop:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{size}")
            return b""
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        return self._bucket.get(name, start, stop)


class ChunkHandler(BytesHandler):
    """The info file, the chunks and the shapes of a volume that has no such files; always whole."""

    def initialize(self, chunks: VolumeChunks, tell: Callable[[str], None]) -> None:
        self._chunks = chunks
        self._tell = tell

    async def get(self, name: str) -> None:
        if name == "info":
            self.finish(self._chunks.info)
            return
        content = await self._read_by(self._chunks.file, name)
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            content = gzip.compress(content, compresslevel=1, mtime=0)
        self.finish(content)


class SceneHandler(RequestHandler):
    """Leads to a scene whoever has the token, or was given it as a cookie when they had."""

    def initialize(self, view: ViewServer) -> None:
        self._view = view

    def get(self, token: str | None) -> None:
        cookie = f"ffn_view_{self._view.port}"
        given = token if token is not None else self.get_cookie(cookie, "")
        if not secrets.compare_digest((given or "").encode(), self._view.token.encode()):
            self._say(403, "Open the link that `ffn view` printed first, in this browser: it lets you in.")
            return
        if token is not None:
            self.set_cookie(cookie, self._view.token, httponly=True, samesite="Lax", path="/at")
        key = self.get_query_argument("run", "")
        if key and key != self._view.key:
            self._say(
                409,
                "This link is of another run, or of other settings: start `ffn view` of that run's folder.",
            )
            return
        try:
            point = self._point()
        except ValueError:
            self._say(400, "This is no point: expected point=Z,Y,X, and ids after segments= and truth=.")
            return
        self.set_header("Referrer-Policy", "no-referrer")
        # headers may not be as long as a scene is that has a thousand points
        address = json.dumps(self._view.scene_address(self.request.host, point))
        self.finish(LEADING.format(address.replace("<", "\\u003c")))

    def _point(self) -> Point | None:
        """The point that is asked for, None where none is. Raises ValueError."""
        text = self.get_query_argument("point", "")
        if not text:
            return None
        voxel: Triple = triple([int(number) for number in text.split(",")])
        return Point(voxel, self._ids("segments"), self._ids("truth"))

    def _ids(self, name: str) -> tuple[int, ...]:
        return tuple(int(number) for number in self.get_query_argument(name, "").split(",") if number)

    def _say(self, status: int, sentence: str) -> None:
        self.set_status(status)
        self.finish(f"<!doctype html><title>ffn view</title><p>{html.escape(sentence)}</p>")


class NothingHandler(DataHandler):
    """Whatever is not served: no layer of this name, or a token that is none."""

    def get(self, *_: str) -> None:
        raise HTTPError(404)

    def head(self, *_: str) -> None:
        raise HTTPError(404)

    def options(self, *_: str) -> None:
        raise HTTPError(404)
