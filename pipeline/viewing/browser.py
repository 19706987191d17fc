"""A scene drawn by a browser without a screen, for documents and for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.machine.processes import die_with_parent
from pipeline.viewing.scene import Point

if TYPE_CHECKING:
    from pipeline.viewing.server import ViewServer

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # it sees no page but ours, and root and containers have none
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--no-proxy-server",
)
WINDOW = (1200, 900)
PATIENCE_S = 180.0
"""Software draws slowly, the more so on a busy machine."""
LOOK_S = 0.2


def browser() -> str | None:
    """The Chromium or Chrome of this machine, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def draw(view: ViewServer, path: Path, point: Point | None = None, patience_s: float = PATIENCE_S) -> None:
    """Write what a browser shows of the scene, or of a point, all of it loaded, as a PNG of `WINDOW` pixels.

    It is drawn until it comes out the same twice: on a busy machine Neuroglancer may take itself for ready
    before it has laid out its views, or loaded an image.

    Raises InputError when there is no browser, when it ends or does not come to an end, and when the file
    cannot be written.
    """
    program = browser()
    if program is None:
        raise InputError(
            f"--screenshot needs Chromium or Chrome, and none of {', '.join(BROWSERS)} is on PATH: install "
            "one (apt-get install chromium), or open the link in a browser instead"
        )
    with view.viewer.config_state.txn() as shown:
        shown.show_ui_controls = False
        shown.show_panel_borders = False
        shown.viewer_size = list(WINDOW)
    view.is_drawn = True
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = _started(program, view.link_to(point), profile)
        try:
            picture = _settled(view, process, time.monotonic() + patience_s)
        finally:
            _end(process)
    if picture is None:
        raise InputError(
            f"{program} drew nothing, or never the same twice, in {patience_s:.0f} s; see what it says to "
            f"{FLAGS[0]}"
        )
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def _settled(view: ViewServer, process: subprocess.Popen[bytes], until: float) -> bytes | None:
    """The first picture that is like the one before; None where the browser has ended, or `until` is over, a
    time of the monotonic clock."""
    drawn: SimpleQueue[bytes] = SimpleQueue()

    def ask() -> None:
        view.viewer.async_screenshot(lambda reply: drawn.put(reply.screenshot.image))

    last = None
    ask()
    while process.poll() is None and time.monotonic() < until:
        with suppress(Empty):
            picture = drawn.get(timeout=LOOK_S)
            if picture == last:
                return picture
            last = picture
            ask()
    return None


def _started(program: str, address: str, profile: str) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    size = ",".join(map(str, WINDOW))
    return subprocess.Popen(
        [program, *FLAGS, f"--window-size={size}", f"--user-data-dir={profile}", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """The browser and the processes that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
