"""A web server on this machine that publishes a small FIB-25, and breaks off, refuses and is slow as told."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from pipeline.downloads.fetch import Download

SLICES = 3
WEIGHTS = "checkpoint/model.ckpt-27465036.data-00000-of-00001"


def small_sample() -> dict[str, bytes]:
    """The files of a FIB-25 of 3 x 6 x 8 voxels, by name, as they are published."""
    rng = np.random.default_rng(0)
    files = {}
    for z in range(SLICES):
        png = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (6, 8), dtype=np.uint8)).save(png, "PNG")
        files[f"grayscale_maps/iso.{2600 + z}.png"] = png.getvalue()
    truth = io.BytesIO()
    with h5py.File(truth, "w") as file:
        file.create_dataset("stack", data=rng.integers(1, 5, (130, 6, 8), dtype=np.int32), track_times=False)
        file.create_dataset(
            "transforms", data=np.array([[1, 10], [2, 10], [3, 30], [4, 40]]), track_times=False
        )
    files["groundtruth.h5.gz"] = gzip.compress(truth.getvalue(), mtime=0)
    files[WEIGHTS] = rng.bytes(3_000_000)
    files[WEIGHTS.replace("data-00000-of-00001", "index")] = b"index"
    return files


def downloads_of(files: dict[str, bytes], url: str) -> tuple[Download, ...]:
    """The same files as the parts in which they are fetched from a server at `url`."""
    slices = [name for name in files if name.endswith(".png")]
    parts = {"image": slices, "truth": ["groundtruth.h5.gz"]}
    parts |= {f"network {n}": [name] for n, name in enumerate(files) if name.startswith("checkpoint")}
    return tuple(
        Download(
            what,
            {name: f"{url}/{name}" for name in names},
            hashlib.sha256(b"".join(files[name] for name in names)).hexdigest(),
        )
        for what, names in parts.items()
    )


class Server:
    """What it does and what it was asked for; change it while it runs."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.url = ""
        self.knows_ranges = True
        self.status: dict[str, list[int]] = {}
        """By name, the status codes of the next answers."""
        self.breaks_off_after: dict[str, list[int]] = {}
        """By name, after how many bytes the next answers break off."""
        self.pause_s = 0.0
        """Between two pieces of 64 KiB."""
        self.sent = Counter[str]()
        self.ranges: list[str] = []

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        name = request.path.lstrip("/")
        if server_says := self.status.get(name):
            request.send_error(server_says.pop(0))
            return
        content, begin = self.files[name], 0
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if wanted and self.knows_ranges:
            self.ranges.append(f"{name} {wanted[1]}")
            begin = int(wanted[1])
            if begin >= len(content):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content) - begin))
        request.end_headers()
        cuts = self.breaks_off_after.get(name)
        end = begin + cuts.pop(0) if cuts else len(content)
        self._send(request, name, content[begin:end])
        request.close_connection = end < len(content)

    def _send(self, request: http.server.BaseHTTPRequestHandler, name: str, content: bytes) -> None:
        for start in range(0, len(content), 1 << 16):
            piece = content[start : start + (1 << 16)]
            try:
                request.wfile.write(piece)
            except OSError:  # who asked is gone
                request.close_connection = True
                return
            self.sent[name] += len(piece)
            time.sleep(self.pause_s)


@contextmanager
def published(files: dict[str, bytes]) -> Iterator[Server]:
    """Serve the files on a free port of this machine."""
    server = Server(files)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), server.handler()) as http_server:
        server.url = f"http://127.0.0.1:{http_server.server_port}"
        thread = threading.Thread(target=http_server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        http_server.shutdown()
        thread.join()


PROGRAM = """
import sys
from pathlib import Path
from pipeline.downloads import fetch, fib25
from tests.publishing import downloads_of, small_sample
fetch.WAITS_S = (0.01, 0.01, 0.01)
fib25.DOWNLOADS = downloads_of(small_sample(), sys.argv.pop(1))
from workflows.data import main
main()
"""


def command(url: str, folder: Path, *options: str) -> list[str]:
    """The arguments of Python with which a process fetches the small sample from `url`, as a user would."""
    return ["-c", PROGRAM, url, "fib25", str(folder), *options]
