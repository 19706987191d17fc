"""A web server on this machine that serves a folder, and answers otherwise as told."""

from __future__ import annotations

import io
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class LocalWeb(ThreadingHTTPServer):
    """Serves a folder; `answers` are what it says instead, by the end of a path, one after the other: 0 is
    what it has."""

    request_queue_size = 64
    absent = 404
    everything = 0
    """What it says to all, unless 0."""
    explained: str | None = None
    """What stands in its answers that are errors."""
    silent = False
    packed = ""
    ranges = False
    """Whether it serves ranges of bytes."""
    lengths = True
    """Whether it says how long files are."""
    page = b""
    """What it shows for what is not there, as if it were."""
    answers: dict[str, list[int]]
    asked: Counter[str]
    """How often each path was asked for."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def local_web(folder: Path) -> Iterator[LocalWeb]:
    """The server, as long as the context lasts."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(folder))  # type: ignore[arg-type]

        def send_head(self):  # type: ignore[no-untyped-def]
            while found.silent:
                time.sleep(0.01)
            found.asked[self.path] += 1
            said = found.answers.get(self.path.rpartition("/")[2])
            code = (said.pop(0) if len(said) > 1 else said[0]) if said else found.everything
            if code:
                return self.send_error(code, explain=found.explained)
            file = Path(self.translate_path(self.path))
            if not file.exists():
                return self.sent(200, found.page) if found.page else self.send_error(found.absent)
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if found.ranges and wanted:
                stop = int(wanted[2]) + 1 if wanted[2] else None
                return self.sent(206, file.read_bytes()[int(wanted[1]) : stop])
            return super().send_head()

        def sent(self, code: int, content: bytes) -> io.BytesIO:
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return io.BytesIO(content)

        def send_header(self, keyword: str, value: str) -> None:
            if found.lengths or keyword != "Content-Length":
                super().send_header(keyword, value)

        def end_headers(self) -> None:
            if found.packed:
                self.send_header("Content-Encoding", found.packed)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with LocalWeb(("127.0.0.1", 0), Handler) as found:
        found.answers, found.asked = {}, Counter()
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.silent = False
        found.shutdown()
