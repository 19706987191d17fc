"""A precomputed volume on a web server: what it refuses, or cannot answer now, is not taken for missing."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from writers_precomputed import write_precomputed

from pipeline.errors import InputError, Unreadable
from pipeline.volumes import open_volume, web
from pipeline.volumes.content import content
from tests.local_web import LocalWeb, local_web

IMAGE = np.random.default_rng(1).integers(1, 256, (8, 8, 8), dtype=np.uint8)
CHUNK = "0-4_0-4_0-4"
OTHER = "4-8_0-4_0-4"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalWeb]:
    write_precomputed(tmp_path, IMAGE, (0, 0, 0), (40, 8, 4))
    with local_web(tmp_path / "precomputed") as found:
        yield found


def uri(server: LocalWeb) -> str:
    return f"precomputed://{server.address}"


@pytest.mark.parametrize("absent", [404, 403])
def test_a_chunk_that_is_not_there_is_missing_whatever_the_server_calls_it(
    server: LocalWeb, tmp_path: Path, absent: int
) -> None:
    server.absent = absent
    (gone,) = (tmp_path / "precomputed").glob(f"*/{CHUNK}")
    gone.unlink()
    volume = open_volume(uri(server))
    assert [str(box) for box in volume.missing(volume.box)] == ["0:4,0:4,0:4"]


def test_a_chunk_that_is_refused_by_a_server_that_says_what_is_absent_is_not_missing(
    server: LocalWeb,
) -> None:
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
    server: LocalWeb, tmp_path: Path, absent: int
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


def test_a_server_that_is_busy_is_asked_again(server: LocalWeb) -> None:
    server.answers[CHUNK] = [503, 200]
    volume = open_volume(uri(server))
    server.answers[CHUNK] = [503]
    threading.Timer(0.3, server.answers.clear).start()
    assert volume.missing(volume.box) == []


def test_an_info_file_that_is_refused_is_told_from_none(server: LocalWeb) -> None:
    server.answers["info"] = [403]
    with pytest.raises(InputError, match=r"cannot be opened: the server refuses info \(403\)"):
        open_volume(uri(server))
    server.answers["info"] = [404]
    with pytest.raises(InputError, match="no precomputed volume there"):
        open_volume(uri(server))
    server.answers["info"], server.absent = [403], 403  # as of all that is not there
    with pytest.raises(InputError, match=r"refuses to show its info file \(403\), or has none"):
        open_volume(uri(server))


def test_a_chunk_that_is_refused_while_it_is_read_is_not_black(server: LocalWeb) -> None:
    """As by a server that takes so many requests for an attack: what was there before is there."""
    volume = open_volume(uri(server))
    assert volume.missing(volume.box) == []
    server.answers[OTHER] = [403]
    with pytest.raises(Unreadable, match=r"cannot read box .*the server refuses .*4-8.* \(403\)"):
        volume.read(volume.box)
    server.answers[OTHER] = [403, 0]
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_a_server_that_refuses_all_of_a_sudden_leaves_nothing_black(server: LocalWeb) -> None:
    """As one that takes so many requests for an attack: what is not there, and what is, alike."""
    volume = open_volume(uri(server))
    before = content(volume)
    server.everything = 403
    for ask in (volume.read, volume.missing, lambda _: content(volume)):
        with pytest.raises(Unreadable, match=r"refuses .* \(403\), and now also .*, which it gave before"):
            ask(volume.box)
    server.everything = 0
    assert content(volume) == before


def test_a_chunk_without_a_byte_is_missing(server: LocalWeb, tmp_path: Path) -> None:
    """Which reads as 0."""
    (empty,) = (tmp_path / "precomputed").glob(f"*/{CHUNK}")
    empty.write_bytes(b"")
    volume = open_volume(uri(server))
    assert [str(box) for box in volume.missing(volume.box)] == ["0:4,0:4,0:4"]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_fails_leaves_the_volume_what_it_was(server: LocalWeb) -> None:
    volume = open_volume(uri(server))
    before = content(volume)
    server.answers[OTHER] = [500]
    with pytest.raises(Unreadable, match=r"cannot read box .*500.*; see whether it can be reached"):
        content(volume)
    server.answers.clear()
    assert content(volume) == before


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(
    server: LocalWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = open_volume(uri(server))
    server.silent = True
    monkeypatch.setattr(web, "PATIENCE_S", (60.0, 0.1))
    for ask in (open_volume, lambda _: volume.read(volume.box), lambda _: volume.missing(volume.box)):
        with pytest.raises(Unreadable, match="timed out"):
            ask(uri(server))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [401, 429, 500])
def test_an_info_file_that_does_not_come_is_not_called_no_volume(server: LocalWeb, code: int) -> None:
    server.answers["info"] = [code]
    with pytest.raises(Unreadable, match=rf"{server.server_port} cannot be opened: {code} .*try again"):
        open_volume(uri(server))


def test_a_server_without_ranges_of_bytes_is_told_that_shards_need_them(
    server: LocalWeb, tmp_path: Path
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
def test_packings_are_known_by_all_their_names(server: LocalWeb, tmp_path: Path, name: str) -> None:
    if name == "x-gzip":
        for path in (path for path in (tmp_path / "precomputed").rglob("*") if path.is_file()):
            path.write_bytes(gzip.compress(path.read_bytes()))
    server.packed = name
    volume = open_volume(uri(server))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


def test_what_a_provenance_is_does_not_matter(server: LocalWeb, tmp_path: Path) -> None:
    """As where a server answers with its first page, or with an error, for whatever it does not have."""
    (tmp_path / "precomputed" / "provenance").write_text("<html>")
    volume = open_volume(uri(server))
    np.testing.assert_array_equal(volume.read(volume.box), IMAGE)


@pytest.mark.parametrize("packed", ["", "gzip"])
def test_a_torn_chunk_is_named_in_one_line(
    server: LocalWeb, tmp_path: Path, capfd: pytest.CaptureFixture[str], packed: str
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
