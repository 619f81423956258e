"""What a page of somebody else's, or a hostile client, tries at a server."""

from __future__ import annotations

import asyncio
import struct
import zlib
from pathlib import Path

import aiohttp
import pytest

from .talk import Client, Running, served

FOREIGN = {"Origin": "http://evil.example", "Content-Type": "text/plain"}


@pytest.mark.parametrize("path", ["/prompt", "/interrupt", "/free", "/upload/image", "/userdata/a.json", "/api/prompt"])
def test_a_foreign_pages_form_reaches_no_route(alone: Client, path: str) -> None:
    assert alone.ask("POST", path, headers=FOREIGN).status == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_a_foreign_page_gets_no_socket(alone: Client, headers: dict[str, str]) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        alone._do(alone._session.ws_connect(f"{alone.address}/ws", headers=headers))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"delete": [' + b"9" * 5000 + b"]}"])
def test_a_deep_body_and_a_long_number_are_refused(alone: Client, body: bytes) -> None:
    for path in ("/prompt", "/queue", "/history", "/settings"):

        async def ask(path: str = path) -> int:
            async with alone._session.post(alone.address + path, data=body) as response:
                return response.status

        assert alone._do(ask()) == 400


def test_a_small_file_that_claims_to_be_a_huge_picture_is_not_unpacked(alone: Client, one: Running) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (one.server.session.folders.input / "bomb.png").write_bytes(bomb)
    for asked in ("preview=webp;90", "channel=rgb", "channel=a"):
        answer = alone.ask("GET", f"/view?filename=bomb.png&type=input&{asked}")
        assert (answer.status, answer.body) == (200, bomb)


def test_the_token_is_shown_nowhere(tmp_path: Path) -> None:
    argv = ("weft", "serve", "--token", "s3cret", "--token=s3cret")
    with served(tmp_path / "s", token="s3cret", argv=argv) as found:

        async def ask(path: str) -> bytes:
            headers = {"Authorization": "Bearer s3cret"}
            async with aiohttp.ClientSession(headers=headers) as session, session.get(found.address + path) as response:
                return await response.read()

        for path in ("/system_stats", "/weft/state", "/history", "/nowhere"):
            assert b"s3cret" not in asyncio.run(ask(path)), path
