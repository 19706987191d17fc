"""`data fib25 DIR` in a process of its own, from a web server on this machine."""

from __future__ import annotations

import gzip
import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.downloads import fetch as http
from pipeline.downloads import fib25 as data_sets
from pipeline.downloads.fetch import alone_in
from tests.commands import as_from_a_terminal, said
from tests.denied import denied, snapshot
from tests.publishing import SLICES, WEIGHTS, Server, command, downloads_of, published, small_sample
from workflows.data import main
from workflows.ffn import main as ffn

REPOSITORY = Path(__file__).parents[2]
FILES = small_sample()
TRUTH = "groundtruth.h5.gz"


@pytest.fixture
def server() -> Iterator[Server]:
    with published(dict(FILES)) as running:
        yield running


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NO_PROXY": "127.0.0.1"}


class Fetch:
    """The command in the process of the test: exit code and all that it prints."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = patch, capsys
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr(http, "WAITS_S", (0.0, 0.0, 0.0))

    def __call__(self, url: str, folder: Path, *options: str) -> tuple[int, str]:
        return self.sample(FILES, url, folder, *options)

    def sample(self, files: dict[str, bytes], url: str, folder: Path, *options: str) -> tuple[int, str]:
        self._patch.setattr(data_sets, "DOWNLOADS", downloads_of(files, url))
        return self.say(main, ["fib25", str(folder), *options])

    def say(self, command: Callable[[], None], arguments: list[str]) -> tuple[int, str]:
        return said(command, arguments, self._patch, self._capsys)

    def fails(self, url: str, folder: Path) -> str:
        code, shown = self(url, folder)
        return one_line(code, shown[shown.find("error: ") :])

    def works(self, url: str, folder: Path) -> str:
        code, shown = self(url, folder)
        assert code == 0, shown
        is_whole(folder)
        return shown


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(monkeypatch, capsys)


def one_line(code: int, shown: str) -> str:
    assert code == 1
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    return shown


def is_whole(folder: Path) -> None:
    """All files are there, byte for byte, and what is made of them holds their voxels."""
    for name, content in FILES.items():
        assert (folder / name).read_bytes() == content
    with h5py.File(folder / "grayscale_maps.h5") as file:
        slices = [Image.open(folder / f"grayscale_maps/iso.{2600 + z}.png") for z in range(SLICES)]
        np.testing.assert_array_equal(file["raw"], np.stack([np.asarray(image) for image in slices]))
    with h5py.File(folder / "groundtruth.h5") as whole, h5py.File(folder / "groundtruth_z000_125.h5") as cut:
        assert whole["stack"].shape[0] == 130
        np.testing.assert_array_equal(cut["stack"], whole["stack"][:125])
        np.testing.assert_array_equal(cut["transforms"], whole["transforms"])
    assert (folder / "groundtruth.h5").read_bytes() == gzip.decompress(FILES[TRUTH])
    assert not list(folder.rglob(".*"))


def test_all_is_fetched_once(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    assert f"FFN_DATA='{folder}' ffn run --config fib25" in fetch.works(server.url, folder)
    assert server.sent == {name: len(content) for name, content in FILES.items()}
    before = snapshot(folder)
    assert "image: is there" in fetch.works(server.url, folder)
    assert sum(server.sent.values()) == sum(map(len, FILES.values()))
    assert snapshot(folder) == before


def test_quiet_says_nothing(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    assert fetch(server.url, tmp_path, "--quiet") == (0, "")
    is_whole(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_one_that_is_killed_goes_on_where_it_was(
    signum: int, server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    server.pause_s = 0.05
    process = subprocess.Popen(
        [sys.executable, *command(server.url, tmp_path)], env=ENVIRONMENT, preexec_fn=as_from_a_terminal
    )
    part = (tmp_path / WEIGHTS).with_name(f".{Path(WEIGHTS).name}.part")
    while not (part.exists() and part.stat().st_size > 500_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signum)
    assert process.wait() == (130 if signum == signal.SIGINT else -signum)
    had, slices = part.stat().st_size, server.sent["grayscale_maps/iso.2600.png"]
    server.pause_s = 0
    fetch.works(server.url, tmp_path)
    assert server.ranges == [f"{WEIGHTS} {had}"]
    assert server.sent["grayscale_maps/iso.2600.png"] == slices


def test_a_server_that_breaks_off_or_is_busy_is_asked_again(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    server.breaks_off_after = {WEIGHTS: [100_000, 1_000_000]}
    server.status = {TRUTH: [503, 429]}
    fetch.works(server.url, tmp_path)
    piece = 1 << 16  # of what came whole pieces are kept
    assert server.ranges == [f"{WEIGHTS} {piece}", f"{WEIGHTS} {16 * piece}"]


def test_without_ranges_a_file_begins_anew(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    server.knows_ranges = False
    server.breaks_off_after = {WEIGHTS: [100_000]}
    fetch.works(server.url, tmp_path)


def test_a_server_that_only_breaks_off_is_given_up(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    server.breaks_off_after = {WEIGHTS: [0] * 9}
    assert f"cannot fetch {server.url}/{WEIGHTS}" in fetch.fails(server.url, tmp_path)
    assert len(server.breaks_off_after[WEIGHTS]) == 9 - 4
    server.breaks_off_after = {}
    fetch.works(server.url, tmp_path)


def test_a_part_that_is_whole_is_taken(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    part = (tmp_path / WEIGHTS).with_name(f".{Path(WEIGHTS).name}.part")
    part.parent.mkdir()
    part.write_bytes(FILES[WEIGHTS])
    fetch.works(server.url, tmp_path)
    assert server.sent[WEIGHTS] == 0


def test_what_is_not_what_was_published_is_set_aside(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    server.files[TRUTH] = b"an error page of a proxy"
    shown = fetch.fails(server.url, tmp_path)
    assert f"kept as {tmp_path / TRUTH}.wrong" in shown
    assert "the SHA-256 is" in shown
    assert not (tmp_path / TRUTH).exists()
    assert (tmp_path / f"{TRUTH}.wrong").read_bytes() == server.files[TRUTH]
    server.files[TRUTH] = FILES[TRUTH]
    fetch.works(server.url, tmp_path)


def test_what_was_damaged_since_is_fetched_and_made_again(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    fetch.works(server.url, tmp_path)
    server.sent.clear()
    (tmp_path / WEIGHTS).write_bytes(FILES[WEIGHTS][:-1] + b"?")
    (tmp_path / "grayscale_maps.h5").write_bytes(b"")
    assert "grayscale_maps.h5: made" in fetch.works(server.url, tmp_path)
    assert server.sent == {WEIGHTS: len(FILES[WEIGHTS])}


def test_no_network_and_a_file_that_is_gone_are_one_line(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    shown = fetch.fails("http://127.0.0.1:9", tmp_path)
    assert "Connection refused" in shown
    assert "HTTPS_PROXY" in shown
    assert "no-such-host.invalid" in fetch.fails("http://no-such-host.invalid", tmp_path)
    server.status = {TRUTH: [404]}
    assert "groundtruth.h5.gz: the server answers 404" in fetch.fails(server.url, tmp_path)
    fetch.works(server.url, tmp_path)


def _no_room() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_one_line_and_what_came_stays(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, *command(server.url, tmp_path)],
        env=ENVIRONMENT,
        preexec_fn=_no_room,
        capture_output=True,
        text=True,
    )
    shown = one_line(done.returncode, done.stderr)
    assert "File too large" in shown
    assert "make room" in shown
    fetch.works(server.url, tmp_path)
    assert server.ranges == [f"{WEIGHTS} 1000000"]


def test_a_folder_that_may_not_be_written_is_one_line(
    server: Server, fetch: Fetch, public_folder: Path
) -> None:
    with denied(public_folder):
        shown = fetch.fails(server.url, public_folder / "new")
    assert f"cannot write {public_folder / 'new'}" in shown
    assert "Permission denied" in shown


def test_two_at_a_time_do_not_mix(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    with alone_in(tmp_path):
        assert "another download is at work" in fetch.fails(server.url, tmp_path)
    fetch.works(server.url, tmp_path)


@pytest.mark.slow
def test_the_run_file_works_with_the_folder(
    fib25: Path, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    with h5py.File(fib25 / "grayscale_maps.h5") as file:
        image = file["raw"][()]
    for z, section in enumerate(image):
        png = io.BytesIO()
        Image.fromarray(section).save(png, "PNG", compress_level=0)
        files[f"grayscale_maps/iso.{2600 + z}.png"] = png.getvalue()
    truth = io.BytesIO()
    with h5py.File(fib25 / "groundtruth_z000_125.h5") as half, h5py.File(truth, "w") as file:
        labels = half["stack"][()]
        file["stack"], file["transforms"] = np.concatenate([labels, labels]), half["transforms"][()]
    files[TRUTH] = gzip.compress(truth.getvalue(), compresslevel=1)
    files |= {f"checkpoint/{path.name}": path.read_bytes() for path in (fib25 / "checkpoint").iterdir()}
    with published(files) as server:
        code, shown = fetch.sample(files, server.url, tmp_path / "data")
        assert code == 0, shown
    with h5py.File(tmp_path / "data" / "grayscale_maps.h5") as file:
        np.testing.assert_array_equal(file["raw"], image)
    monkeypatch.setenv("FFN_DATA", str(tmp_path / "data"))
    code, shown = fetch.say(ffn, ["plan", "--config", "fib25", "--run-dir", str(tmp_path / "run")])
    assert code == 0, shown
    assert "count, score in 0:125,0:250,0:250" in " ".join(shown.split())
    assert "638,433 weights" in shown
    assert "warn" not in shown
