"""A precomputed volume on a web server: what it refuses, or cannot answer now, is not taken for missing."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from cloudfiles.interfaces import HttpInterface
from tenacity import stop_after_attempt
from writers_precomputed import write_precomputed

from pipeline.errors import InputError, Unreadable
from pipeline.volumes import open_volume, web
from pipeline.volumes.content import content

IMAGE = np.random.default_rng(1).integers(1, 256, (8, 8, 8), dtype=np.uint8)
CHUNK = "0-4_0-4_0-4"
OTHER = "4-8_0-4_0-4"


class Server(ThreadingHTTPServer):
    """Serves a folder; `answers` are what it says instead, by the end of a path, one after the other: 0 is
    what it has."""

    absent = 404
    silent = False
    packed = ""
    answers: dict[str, list[int]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_precomputed(tmp_path, IMAGE, (0, 0, 0), (40, 8, 4))

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(tmp_path / "precomputed"))  # type: ignore[arg-type]

        def send_head(self):  # type: ignore[no-untyped-def]
            while found.silent:
                time.sleep(0.01)
            said = found.answers.get(self.path.rpartition("/")[2])
            code = (said.pop(0) if len(said) > 1 else said[0]) if said else 0
            if code:
                return self.send_error(code)
            if not Path(self.translate_path(self.path)).exists():
                return self.send_error(found.absent)
            return super().send_head()

        def end_headers(self) -> None:
            if found.packed:
                self.send_header("Content-Encoding", found.packed)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as found:
        found.answers = {}
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.silent = False
        found.shutdown()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server does not do at once is not asked for again."""
    for asked in (HttpInterface.get_file, web.status):
        monkeypatch.setattr(asked.retry, "stop", stop_after_attempt(1))


def uri(server: Server) -> str:
    return f"precomputed://http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("absent", [404, 403])
def test_a_chunk_that_is_not_there_is_missing_whatever_the_server_calls_it(
    server: Server, tmp_path: Path, absent: int
) -> None:
    server.absent = absent
    (gone,) = (tmp_path / "precomputed").glob(f"*/{CHUNK}")
    gone.unlink()
    volume = open_volume(uri(server))
    assert [str(box) for box in volume.missing(volume.box)] == ["0:4,0:4,0:4"]


def test_a_chunk_that_is_refused_by_a_server_that_says_what_is_absent_is_not_missing(server: Server) -> None:
    server.answers[OTHER] = [403]
    volume = open_volume(uri(server))
    with pytest.raises(
        InputError, match=r"cannot find out which chunks are there: .*refuses .*4-8.* \(403\)"
    ):
        volume.missing(volume.box)


def put_in_shards(folder: Path) -> None:
    """The one shard is as long as its index: it lists nothing."""
    info = json.loads((folder / "info").read_text())
    info["scales"][0]["sharding"] = {
        "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 3, "hash": "identity",
        "minishard_bits": 0, "shard_bits": 0, "minishard_index_encoding": "raw", "data_encoding": "raw",
    }  # fmt: skip
    (folder / "info").write_text(json.dumps(info))
    (folder / info["scales"][0]["key"] / "0.shard").write_bytes(bytes(16))


@pytest.mark.parametrize("absent", [404, 403])
def test_shards_that_a_server_refuses_are_missing_only_where_it_refuses_all(
    server: Server, tmp_path: Path, absent: int
) -> None:
    server.absent = absent
    put_in_shards(tmp_path / "precomputed")
    volume = open_volume(uri(server))
    assert volume.missing(volume.box) == volume.chunks(volume.box)
    server.answers["0.shard"] = [403]
    if absent == 403:
        assert volume.missing(volume.box) == volume.chunks(volume.box)
        return
    with pytest.raises(InputError, match=r"refuses 4_8_40/0.shard \(403\)"):
        open_volume(uri(server)).missing(volume.box)


def test_a_server_that_is_busy_is_asked_again(server: Server) -> None:
    server.answers[CHUNK] = [503, 200]
    volume = open_volume(uri(server))
    server.answers[CHUNK] = [503]
    threading.Timer(0.3, server.answers.clear).start()
    assert volume.missing(volume.box) == []


def test_an_info_file_that_is_refused_is_told_from_none(server: Server) -> None:
    server.answers["info"] = [403]
    with pytest.raises(InputError, match=r"cannot be opened: the server refuses info \(403\)"):
        open_volume(uri(server))
    server.answers["info"] = [404]
    with pytest.raises(InputError, match="no precomputed volume there"):
        open_volume(uri(server))
    server.answers["info"], server.absent = [403], 403  # as of all that is not there
    with pytest.raises(InputError, match=r"refuses to show its info file \(403\), or has none"):
        open_volume(uri(server))


def test_a_chunk_that_is_refused_while_it_is_read_is_not_black(server: Server) -> None:
    """As by a server that takes so many requests for an attack: what was there before is there."""
    volume = open_volume(uri(server))
    assert volume.missing(volume.box) == []
    server.answers[OTHER] = [403]
    with pytest.raises(Unreadable, match=r"cannot read box .*the server refuses .*4-8.* \(403\)"):
        volume.read(volume.box)
    server.answers[OTHER] = [403, 0]
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_a_chunk_without_a_byte_is_missing(server: Server, tmp_path: Path) -> None:
    """Which reads as 0."""
    (empty,) = (tmp_path / "precomputed").glob(f"*/{CHUNK}")
    empty.write_bytes(b"")
    volume = open_volume(uri(server))
    assert [str(box) for box in volume.missing(volume.box)] == ["0:4,0:4,0:4"]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_fails_leaves_the_volume_what_it_was(server: Server) -> None:
    volume = open_volume(uri(server))
    before = content(volume)
    server.answers[OTHER] = [500]
    with pytest.raises(Unreadable, match=r"cannot read box .*500.*; see whether it can be reached"):
        content(volume)
    server.answers.clear()
    assert content(volume) == before


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = open_volume(uri(server))
    server.silent = True
    monkeypatch.setattr(web, "PATIENCE_S", (60.0, 0.1))
    for ask in (open_volume, lambda _: volume.read(volume.box), lambda _: volume.missing(volume.box)):
        with pytest.raises(Unreadable, match="timed out"):
            ask(uri(server))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [401, 429, 500])
def test_an_info_file_that_does_not_come_is_not_called_no_volume(server: Server, code: int) -> None:
    server.answers["info"] = [code]
    with pytest.raises(Unreadable, match=rf"{server.server_port} cannot be opened: {code} .*try again"):
        open_volume(uri(server))


def test_a_server_without_ranges_of_bytes_is_told_that_shards_need_them(
    server: Server, tmp_path: Path
) -> None:
    put_in_shards(tmp_path / "precomputed")
    (shard,) = (tmp_path / "precomputed").glob("*/0.shard")
    shard.write_bytes(bytes(100))
    volume = open_volume(uri(server))
    for ask in (volume.read, volume.missing):
        with pytest.raises(InputError, match="needs a server that serves ranges of bytes"):
            ask(volume.box)


def test_servers_with_a_login_are_asked_in_the_same_way() -> None:
    assert "middleauth+https" in web.WEB


@pytest.mark.parametrize("name", ["identity", "x-gzip"])
def test_packings_are_known_by_all_their_names(server: Server, tmp_path: Path, name: str) -> None:
    if name == "x-gzip":
        for path in (path for path in (tmp_path / "precomputed").rglob("*") if path.is_file()):
            path.write_bytes(gzip.compress(path.read_bytes()))
    server.packed = name
    volume = open_volume(uri(server))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_what_a_provenance_is_does_not_matter(server: Server, tmp_path: Path) -> None:
    """As where a server answers with its first page, or with an error, for whatever it does not have."""
    (tmp_path / "precomputed" / "provenance").write_text("<html>")
    volume = open_volume(uri(server))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize("packed", ["", "gzip"])
def test_a_torn_chunk_is_named_in_one_line(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], packed: str
) -> None:
    if packed:
        for path in (path for path in (tmp_path / "precomputed").rglob("*") if path.is_file()):
            path.write_bytes(gzip.compress(path.read_bytes()))
    server.packed = packed
    (torn,) = (tmp_path / "precomputed").glob(f"*/{CHUNK}")
    torn.write_bytes(torn.read_bytes()[:-12])
    volume = open_volume(uri(server))
    with pytest.raises(InputError, match=rf"cannot read box .*: chunk {CHUNK} cannot be unpacked: "):
        volume.read(volume.box)
    assert "Error" not in "".join(capfd.readouterr())
