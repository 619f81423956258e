"""What one client may take of a server: slow heads, slow bodies, many posts, zipped bodies."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from weft.engine.serving import limits
from weft.engine.serving.limits import ADDRESSES, Heads, Rate
from weft.engine.serving.server import MOST_UPLOADED

from .talk import Client, Running, served

SECONDS = 0.4


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server that waits for nobody."""
    monkeypatch.setattr(limits.Heads.__init__, "__defaults__", (SECONDS,))
    monkeypatch.setattr(limits.limited, "__defaults__", (SECONDS,))
    with served(tmp_path / "hasty", rate=3) as found:
        yield found


def connected(running: Running) -> socket.socket:
    found = urlsplit(running.address)
    assert found.hostname and found.port
    return socket.create_connection((found.hostname, found.port), timeout=20)


def answer(place: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    found = b""
    while chunk := place.recv(1 << 16):
        found += chunk
    return found


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_who_does_not_ask_is_not_waited_for(hasty: Running, head: bytes) -> None:
    with connected(hasty) as place:
        place.sendall(head)
        assert answer(place) == b""


def test_a_slow_body_is_not_waited_for(hasty: Running) -> None:
    head = b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    for path in (b"/prompt", b"/upload/image", b"/settings/x"):
        with connected(hasty) as place:
            kind = b"multipart/form-data; boundary=x" if b"upload" in path else b"application/json"
            place.sendall(head.replace(b"/prompt", path).replace(b"application/json", kind) + b'{"a": ')
            assert answer(place).startswith(b"HTTP/1.1 408 "), path


def test_a_connection_may_rest_between_requests(hasty: Running) -> None:
    with connected(hasty) as place:
        for _ in range(2):
            place.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert place.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
            time.sleep(2 * SECONDS)


def test_more_posts_than_are_allowed_are_told_when_to_come_again(hasty: Running) -> None:
    with Client(hasty.address) as client:
        found = [client.ask("POST", "/queue", {}) for _ in range(4)]
        assert [each.status for each in found] == [200, 200, 200, 429]
        assert 1 <= int(found[3].headers["Retry-After"]) <= 21
        assert found[3].body == b"more than 3 posts a minute"
        assert client.ask("GET", "/queue").status == 200


def test_posts_are_counted_by_address_and_saved_up() -> None:
    now = [0.0]
    rate = Rate(2, lambda: now[0])
    assert [rate.wait("a"), rate.wait("a"), rate.wait("a"), rate.wait("b")] == [0.0, 0.0, 30.0, 0.0]
    now[0] = 29.0
    assert rate.wait("a") == pytest.approx(1.0)
    now[0] = 30.0
    assert [rate.wait("a"), rate.wait("a")] == [0.0, pytest.approx(30.0)]
    now[0] = 10_000.0
    assert [rate.wait("a"), rate.wait("a"), rate.wait("a")] == [0.0, 0.0, pytest.approx(30.0)]
    for number in range(ADDRESSES + 10):
        rate.wait(str(number))
    assert len(rate._left) == ADDRESSES
    assert not any(Rate(0).wait("a") for _ in range(1000))


def test_who_has_asked_once_is_not_looked_after() -> None:
    class Transport(asyncio.Transport):
        closed = False

        def close(self) -> None:
            self.closed = True

    class Connection:
        def __init__(self) -> None:
            self.transport = Transport()

    class Asked:
        def __init__(self, connection: Connection) -> None:
            self.transport = connection.transport

    async def looked() -> list[bool]:
        heads, connections = Heads(0.02), [Connection(), Connection()]
        heads.asked(Asked(connections[0]))  # type: ignore[arg-type]
        heads.start(lambda: connections)
        while not connections[1].transport.closed:
            await asyncio.sleep(0.01)
        heads.stop()
        return [each.transport.closed for each in connections]

    assert asyncio.run(looked()) == [False, True]


def test_a_small_body_that_becomes_a_huge_one_is_refused(one: Running) -> None:
    bomb = gzip.compress(b" " * (MOST_UPLOADED + (1 << 20)))
    for kind in ("application/json", "multipart/form-data; boundary=x"):
        path = "/prompt" if "json" in kind else "/upload/image"
        headers = {"Content-Encoding": "gzip", "Content-Type": kind}
        asked = urllib.request.Request(one.address + path, bomb, headers)
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(asked, timeout=30)
        assert told.value.code in (400, 413)
        told.value.close()
