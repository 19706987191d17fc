"""The meeting point of ranks: open to those who know its secret, at one address, while its launcher lives."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from pipeline.training.ranks.meeting_point import ADDRESS, PORT, connection_to_launcher, meeting_point

VALUE = b"10.0.0.1:4000 \0\xff"


@pytest.fixture
def place() -> Iterator[dict[str, str]]:
    with meeting_point("127.0.0.1") as environment:
        yield environment


def ask(place: dict[str, str], method: str, path: str, value: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of the answer to what a client asks that knows the port alone."""
    connection = http.client.HTTPConnection("127.0.0.1", int(place[PORT]), timeout=10)
    connection.request(method, path, value)
    answer = connection.getresponse()
    return answer.status, answer.read()


def horovods_path(place: dict[str, str], scope: str, key: str) -> str:
    """The path that Horovod's client asks for: it puts a URL together, and takes what is behind the host."""
    url = f"http://{place[ADDRESS]}:{place[PORT]}/{scope}/{key}"
    return "/" + url.removeprefix("http://").partition("/")[2]


def test_what_a_rank_writes_another_reads(place: dict[str, str]) -> None:
    path = horovods_path(place, "global_", "0")
    assert ask(place, "GET", path) == (404, b"")
    assert ask(place, "PUT", path, VALUE) == (200, b"")
    assert ask(place, "GET", path) == (200, VALUE)
    assert ask(place, "GET", horovods_path(place, "local_a", "0")) == (404, b"")
    assert ask(place, "DELETE", path) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("secret", [None, "guess", "another"])
def test_a_stranger_neither_reads_nor_writes(place: dict[str, str], method: str, secret: str | None) -> None:
    known = horovods_path(place, "global_", "0")
    ask(place, "PUT", known, VALUE)
    with meeting_point("127.0.0.1") as other:
        another = horovods_path(other, "global_", "0").replace(other[PORT], place[PORT])
    path = {None: "/global_/0", "guess": f"/guess:{place[PORT]}/global_/0", "another": another}[secret]
    assert ask(place, method, path, b"mine" if method == "PUT" else None) == (403, b"")
    assert ask(place, "GET", known) == (200, VALUE)


def test_every_meeting_point_has_a_secret_of_its_own(place: dict[str, str]) -> None:
    with meeting_point("127.0.0.1") as other:
        secrets = {environment[ADDRESS].partition("/")[2] for environment in (place, other)}
    assert len(secrets) == 2
    assert all(len(secret) >= 40 for secret in secrets)


def test_it_is_at_its_address_alone(place: dict[str, str]) -> None:
    with pytest.raises(ConnectionRefusedError):  # 127.0.0.2 is this machine too
        socket.create_connection(("127.0.0.2", int(place[PORT])), timeout=10)


def test_it_answers_others_while_a_stranger_says_nothing(place: dict[str, str]) -> None:
    with socket.create_connection(("127.0.0.1", int(place[PORT]))):
        assert ask(place, "GET", horovods_path(place, "global_", "0"))[0] == 404


def test_a_rank_keeps_a_connection_that_is_cut_when_the_launcher_ends() -> None:
    with meeting_point("127.0.0.1") as place:
        connection = connection_to_launcher(place)
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
    assert connection.recv(1) == b""
    connection.close()
