"""What a page of somebody else's, or a hostile client, tries at a server."""

from __future__ import annotations

import asyncio
import http.client
import os
import struct
import zlib
from pathlib import Path

import aiohttp
import pytest

from weft.engine.serving.job import without_secrets

from .talk import Client, Running, graph, served

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


WAYS_OUT = [
    f"{step * times}{target}"
    for step in ("../", "%2e%2e/", "..%2f", "%2e%2e%2f", "..\\", "..%5c", "%252e%252e%252f", "x/../../")
    for times in (1, 2, 12)
    for target in ("secret", "__init__.py", "etc/passwd")
] + [
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "link",
    "link%00.js",
    "linked/secret",
    "~/secret",
]


@pytest.mark.parametrize("place", ["", "/extensions/web-pack", "/api/extensions/web-pack", "/templates",
                                   "/workflow_templates/web-pack"])  # fmt: skip
def test_no_folder_that_is_served_has_a_way_out(tmp_path: Path, place: str) -> None:
    editor = tmp_path / "editor"
    (tmp_path / "linked").mkdir()
    editor.mkdir()
    (editor / "index.html").write_text("an editor")
    for file in ("secret", "linked/secret", "__init__.py"):
        (tmp_path / file).write_text("a secret")
    (editor / "link").symlink_to(tmp_path / "secret")
    (editor / "linked").symlink_to(tmp_path / "linked")
    with served(tmp_path / "server", front_end=editor) as running:
        connection = http.client.HTTPConnection(running.address.removeprefix("http://"), timeout=30)
        for way in WAYS_OUT:
            # As it stands: other clients take what leads up out of an address before they ask.
            connection.putrequest("GET", f"{place}/{way}", skip_accept_encoding=True)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read()
            assert 400 <= answer.status < 500, way
            assert not any(told in body for told in (b"a secret", b"root:", b"import ")), way
        connection.close()


def bomb_of() -> bytes:
    """A picture file of some bytes that says it has 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_small_file_that_claims_to_be_a_huge_picture_is_not_unpacked(alone: Client, one: Running) -> None:
    bomb = bomb_of()
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


@pytest.mark.parametrize("quality", ["²", "9" * 5000, "-1", "1e5"])
def test_a_quality_that_is_no_number_is_none(alone: Client, one: Running, quality: str) -> None:
    (one.server.session.folders.input / "no.png").write_bytes(b"")
    assert alone.ask("GET", f"/view?filename=no.png&type=input&preview=webp;{quality}").status == 200


def test_a_form_of_many_parts_and_a_body_of_many_values_are_refused(alone: Client) -> None:
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n\r\n' % each for each in range(200))
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    async def ask(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bool]:
        async with alone._session.post(alone.address + path, data=body, headers=headers) as response:
            return response.status, b"more than" in await response.read()

    assert alone._do(ask("/upload/image", parts + b"--x--\r\n", kind)) == (413, True)
    for path in ("/prompt", "/workflow/convert"):
        assert alone._do(ask(path, b'{"links": [], "nodes": [' + b"0," * 510_000 + b"0]}", {})) == (400, True)


def test_keys_in_extra_data_are_shown_nowhere() -> None:
    said = {"auth": "x", "apiKey": "x", "mine": [{"access_token": "x", "a": 1}], "my_password": "x", "author": "me"}
    info = {"workflow": {"token": "a widget"}}
    assert without_secrets({**said, "extra_pnginfo": info}) == {
        "mine": [{"a": 1}], "author": "me", "extra_pnginfo": info
    }  # fmt: skip


def test_no_page_of_somebody_elses_shows_one_of_ours(alone: Client) -> None:
    for path in ("/weft", "/queue", "/nowhere", "/"):
        assert "frame-ancestors" in alone.ask("GET", path).headers["Content-Security-Policy"], path


def test_links_in_the_users_folder_lead_nowhere(alone: Client, one: Running, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    folder = one.server.options.user / "workflows"
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text("{}")
    (folder / "out").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (folder / "out.json").symlink_to(tmp_path / "secret.json")
    assert alone.get("/userdata?dir=workflows&recurse=true") == ["mine.json"]
    assert {each["name"] for each in alone.get("/v2/userdata?path=workflows")} == {"mine.json", "loop"}
    assert alone.ask("GET", "/userdata/workflows%2Fout.json").status == 403


def test_a_mask_that_claims_to_be_huge_is_not_unpacked(alone: Client, one: Running) -> None:
    (one.server.session.folders.input / "bombed.png").write_bytes(bomb_of())
    form = aiohttp.FormData()
    form.add_field("original_ref", '{"filename": "bombed.png", "type": "input"}')
    form.add_field("image", bomb_of(), filename="mask.png")

    async def ask() -> int:
        async with alone._session.post(f"{alone.address}/upload/mask", data=form) as response:
            return response.status

    assert alone._do(ask()) == 400
    assert not (one.server.session.folders.input / "mask.png").exists()


def test_what_is_no_file_is_not_opened(alone: Client, one: Running) -> None:
    place = one.server.session.folders.input
    os.mkfifo(place / "pipe.png")
    (place / "zero.png").symlink_to("/dev/zero")
    found = [alone.ask("GET", f"/view?filename={name}.png&type=input&preview=png").status for name in ("pipe", "zero")]
    assert found == [404, 403]


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.svgz", "a.js", "a.xhtml", "a.xml", 'a"\r\nX-Evil: y.html'])
def test_what_a_browser_would_run_it_saves(alone: Client, one: Running, name: str) -> None:
    (one.server.session.folders.input / name).write_bytes(b"<script>")
    answer = alone.ask("GET", "/view", params={"filename": name, "type": "input"})
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "X-Evil" not in answer.headers


def test_a_title_is_no_markup_in_a_drawing(alone: Client) -> None:
    prompt = graph(s=("StubInt", {"value": 1}), o=("TestLooks", {"value": "@s"}))
    prompt["s"]["_meta"] = {"title": "<script>alert(1)</script>"}
    ran = alone.run(prompt)
    answer = alone.ask("GET", f"/weft/drawing/{ran.answer['prompt_id']}")
    assert answer.status == 200 and b"<script" not in answer.body
    assert "sandbox" in answer.headers["Content-Security-Policy"]
