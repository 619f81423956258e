"""Any route, asked anything: no answer of 500, none that does not come, no file outside of the folders."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.engine.serving.app import routes

from .talk import Client, Running, served

pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader"),
    pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionParam"),
]
SECRET = b"what lies outside of all folders"
ROUTES = [route for route in routes() if route.path != "/ws"]
FEW, MANY = 80, 4000
EXAMPLES = [pytest.param(FEW), pytest.param(MANY, marks=pytest.mark.slow)]

tricks = st.sampled_from(
    ["..", "../secret", "..\\secret", "....//secret", "%2e%2e%2fsecret", "..%5csecret", "/etc/passwd", "~/secret",
     "a\0b", "a\r\nX-A: b", "C:\\secret", "CON", "NUL.png", ".", "", "a" * 5000, "link", "link/secret", "../../secret",
     "input", "output", "[output]", "secret [input]", "..;/secret", "<b>&", "\ud800", "🦊",
     "\u202e", "-1", "1e309", "NaN", "true", "null", "0x10", "9" * 400]
)  # fmt: skip
words = tricks | st.text(max_size=20)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)
# What routes look for, with anything in it.
names = st.sampled_from(
    ["prompt", "client_id", "prompt_id", "number", "front", "extra_data", "partial_execution_targets", "clear",
     "delete", "unload_models", "free_memory", "nodes", "links", "class_type", "inputs", "1", "filename", "subfolder",
     "type", "preview", "channel", "max_items", "offset", "limit", "status", "sort_by", "sort_order", "dir", "path",
     "recurse", "full_info", "split", "overwrite", "original_ref", "workflow_id", "token"]
)  # fmt: skip
objects = st.dictionaries(names, values, max_size=5)
nested = st.integers(min_value=1, max_value=3000).map(lambda depth: b"[" * depth + b"]" * depth)


def as_json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=True).encode("utf-8", "surrogatepass")


bodies = objects.map(as_json) | values.map(as_json) | st.binary(max_size=200) | nested


def form(fields: dict[str, str], name: str, content: bytes) -> bytes:
    """A form as clients send it, with whatever stands in its names."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return "".join([*parts, head]).encode("utf-8", "surrogatepass") + content + b"\r\n--x--\r\n"


forms = st.builds(form, st.dictionaries(names, words, max_size=4), words, st.binary(max_size=60))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "secret").write_bytes(SECRET)
    with served(folder / "server") as found:
        for kind in ("input", "output", "temp"):
            (found.folder / kind).mkdir(exist_ok=True)
            (found.folder / kind / "link").symlink_to(folder)
        yield found


def asked(running: Running, method: str, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    found = urlsplit(running.address)
    connection = http.client.HTTPConnection(found.hostname or "", found.port, timeout=30)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def outside(running: Running) -> set[Path]:
    """All files beside the server's folder."""
    return {each for each in running.folder.parent.rglob("*") if running.folder not in each.parents}


@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_route_breaks_whatever_it_is_asked(place: Running, examples: int) -> None:
    before = outside(place)

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        route = data.draw(st.sampled_from(ROUTES))
        path = route.path
        for name in [part.split("}")[0] for part in path.split("{")[1:]]:
            safe = data.draw(st.sampled_from(["", "/", "%./\\"]))
            path = path.replace(f"{{{name}}}", quote(data.draw(words).encode("utf-8", "replace"), safe=safe))
        query = "&".join(
            f"{data.draw(names)}={quote(data.draw(words).encode('utf-8', 'replace'))}"
            for _ in range(data.draw(st.integers(0, 3)))
        )
        target = (data.draw(st.sampled_from(["", "/api"])) + path + (f"?{query}" if query else ""))[:7000]
        method = data.draw(st.sampled_from([route.method, route.method, route.method, "GET", "POST", "PUT", "DELETE"]))
        upload = "upload" in path and data.draw(st.booleans())
        body = data.draw(forms) if upload else data.draw(bodies) if method != "GET" else b""
        kind = (
            "multipart/form-data; boundary=x"
            if upload
            else data.draw(st.sampled_from(["application/json", "text/plain"]))
        )
        status, answer = asked(place, method, target, body, {"Content-Type": kind})
        assert status < 500 or status == 501, (method, target, body[:300], answer[:300])
        assert SECRET not in answer, (method, target)

    ask()
    assert outside(place) == before
    assert asked(place, "GET", "/health", b"", {})[0] == 200


frames = objects.map(lambda value: json.dumps(value)) | words | values.map(lambda value: json.dumps(value))
spoken = st.lists(
    frames.map(lambda text: text.encode("utf-8", "replace").decode()) | st.binary(max_size=100)
    | st.just(json.dumps({"type": "feature_flags", "data": {"supports_progress_changes": [1]}})),
    min_size=1, max_size=5,
)  # fmt: skip


@pytest.mark.parametrize("examples", [pytest.param(15), pytest.param(600, marks=pytest.mark.slow)])
def test_a_socket_bears_whatever_it_is_told(place: Running, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(spoken)
    def tell(said: list[str | bytes]) -> None:
        with Client(place.address, uuid.uuid4().hex) as client:
            for each in said:
                client._do(
                    client._socket.send_bytes(each) if isinstance(each, bytes) else client._socket.send_str(each)
                )
            assert client.get("/prompt")["exec_info"]["queue_remaining"] == 0
            assert not client._socket.closed

    tell()


def test_a_message_that_is_too_long_ends_its_socket_alone(place: Running) -> None:
    with Client(place.address) as client, Client(place.address) as other:
        client._do(client._socket.send_str("x" * (2 << 20)))
        found = client._do(client._socket.receive(20))
        assert found.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert other.get("/prompt")["exec_info"]["queue_remaining"] == 0
