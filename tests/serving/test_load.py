"""Many clients at once, and clients that behave badly: nobody loses anything by them, and memory has its bounds."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from weft.engine.serving import sockets
from weft.engine.serving.job import Job
from weft.engine.serving.progress import ProgressState
from weft.engine.serving.telling import Telling

from .talk import PACKS, PATIENCE, Client, Running, graph, image, served
from .test_execution import saved
from .test_process import process


@contextmanager
def deaf(address: str, client_id: str) -> Iterator[socket.socket]:
    """A client that says hello and never reads."""
    place = urlsplit(address)
    assert place.hostname is not None
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        found.connect((place.hostname, place.port))
        key = base64.b64encode(os.urandom(16)).decode()
        found.sendall(
            f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert found.recv(12) == b"HTTP/1.1 101"
        yield found


def until(what: Callable[[], object]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.002)


def steps(count: int, delay: float) -> dict[str, object]:
    return graph(s=("TestSteps", {"steps": count, "delay": delay}), out=("TestLooks", {"value": "@s"}))


def test_a_client_that_reads_nothing_loses_pictures_then_its_connection(
    one: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SPARING", 1 << 20)
    monkeypatch.setattr(sockets, "MOST_WAITING", 4 << 20)
    found = one.server.sockets
    text = "a" * (1 << 18)
    with Client(one.address) as other, deaf(one.address, "deaf"):
        until(lambda: found.flags("deaf"))
        connection = next(found._meant("deaf"))
        for _ in range(200):
            found.say("unneeded", {"text": text}, "deaf", needed=False)
        until(lambda: not found._inbox)
        assert connection.size <= (1 << 20) + len(text) + 100
        assert found.flags("deaf"), "what it can do without is left out"
        for _ in range(200):
            found.say("needed", {"text": text}, "deaf")
        until(lambda: not found.flags("deaf"))
        assert (connection.size, len(connection.waiting)) == (0, 0)
        assert other.run(steps(1, 0.0)).entry["status"]["status_str"] == "success"


def test_a_prompt_is_run_for_one_who_never_reads_it(one: Running) -> None:
    with Client(one.address) as other, deaf(one.address, "deaf"):
        answer = other.ask("POST", "/prompt", {"prompt": steps(20, 0.0), "client_id": "deaf"}).json
        until(lambda: one.server.queue.done(answer["prompt_id"]))


def test_who_comes_again_does_not_wait_for_who_is_gone(one: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "GOODBYE", 2 * PATIENCE)
    with deaf(one.address, "again"):
        until(lambda: one.server.sockets.flags("again"))
        with Client(one.address, "again") as client:
            assert client.run(steps(1, 0.0)).entry["status"]["status_str"] == "success"


def test_a_server_ends_with_clients_that_do_not_answer(tmp_path: Path) -> None:
    with served(tmp_path / "s") as found, deaf(found.address, "one"), deaf(found.address, "two"):
        until(lambda: len(found.server.sockets) == 2)
        assert found.server.loop is not None
        asyncio.run_coroutine_threadsafe(found.server.sockets.close(), found.server.loop).result(PATIENCE / 4)


def anything(number: int) -> dict[str, object]:
    """Prompts that each take another way: pictures, expansions, errors, progress, many outputs."""
    kinds = (
        graph(i=image("NOISE", height=64 + number % 7), out=("PreviewImage", {"images": "@i"})),
        saved(f"m{number % 3}", i=image("BLACK", width=8 + number % 500), last=("TestPreviews", {"image": "@i"})),
        saved("fails", i=image(height=8 + number % 500), last=("TestFails", {"value": "@i"})),
        steps(3, 0.0),
        graph(**{f"o{place}": ("TestKeeps", {"value": number * 10 + place}) for place in range(5)}),
    )
    return kinds[number % len(kinds)]


def forget(client: Client) -> None:
    client.ask("POST", "/history", {"clear": True})
    client.ask("POST", "/free", {"free_memory": True, "unload_models": True})


def test_nothing_is_left_of_a_prompt_that_is_forgotten(tmp_path: Path) -> None:
    def left() -> list[object]:
        gc.collect()
        # type(), not isinstance: asking some objects of libraries for their class warns, or imports.
        kept: list[object] = [each for each in gc.get_objects() if type(each) in (Job, Telling, ProgressState)]
        names = [getattr(each, "client_id", getattr(each, "_client_id", "")) for each in kept]
        return [each for each, name in zip(kept, names, strict=True) if name == client.client_id]

    with served(tmp_path / "s") as found, Client(found.address) as client:
        for number in range(15):
            client.run(anything(number))
        assert len(found.server.queue.history()) == 15
        forget(client)
        until(lambda: not left())


@pytest.mark.slow
def test_memory_is_what_it_was_after_1000_prompts(tmp_path: Path) -> None:
    def resident() -> float:
        forget(client)
        time.sleep(1.5)  # it lets go between two jobs
        lines = client.ask("GET", "/metrics").body.decode().splitlines()
        [line] = [each for each in lines if each.startswith("weft_process_resident_memory_bytes ")]
        return float(line.split()[1]) / 1e6

    (tmp_path / "s").mkdir()
    with process(tmp_path / "s", packs=PACKS) as (_, address), Client(address) as client:
        for number in range(300):
            client.run(anything(number))
        before = resident()
        for number in range(300, 1300):
            client.run(anything(number))
        after = resident()
    print(f"{before:.0f} MB, after 1,000 prompts {after:.0f} MB")
    assert after < before + 30


class Neighbours:
    """Clients that behave badly, each in a thread, until the block has ended."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.over = threading.Event()
        self.failed: list[BaseException] = []
        self.turns = dict.fromkeys(("vanishes", "floods", "interrupts", "listens_not"), 0)

    def __enter__(self) -> Neighbours:
        kinds = (self.vanishes, self.floods, self.interrupts, self.listens_not)
        self.threads = [
            threading.Thread(target=self._live, args=(name, kind)) for name, kind in zip(self.turns, kinds, strict=True)
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def _live(self, name: str, kind: Callable[[], None]) -> None:
        try:
            while not self.over.is_set():
                kind()
                self.turns[name] += 1
        except BaseException as error:
            self.failed.append(error)

    def vanishes(self) -> None:
        with deaf(self.address, "vanishes") as found, Client(self.address, "another") as other:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by a reset
            other.ask("POST", "/prompt", {"prompt": steps(2, 0.001), "client_id": "vanishes"})

    def floods(self) -> None:
        with Client(self.address, "floods") as client:
            for number in range(100):
                client.say("[" * number + "}" if number % 2 else '{"type": "feature_flags"}')
            for _ in range(5):
                assert client.post({"1": {"class_type": "NoSuchClass", "inputs": {}}}).status == 400

    def interrupts(self) -> None:
        with Client(self.address, "interrupts") as client:
            mine = client.post(steps(2000, 0.005)).json["prompt_id"]
            until(lambda: self.over.is_set() or any(item[1] == mine for item in client.get("/queue")["queue_running"]))
            client.ask("POST", "/queue", {"delete": [mine]})
            client.ask("POST", "/interrupt", {"prompt_id": mine})

    def listens_not(self) -> None:
        with deaf(self.address, "listens_not"), Client(self.address, "yet another") as other:
            other.ask("POST", "/prompt", {"prompt": steps(5, 0.001), "client_id": "listens_not"})
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("clients", "prompts"), [(4, 3), pytest.param(20, 10, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_each_of_many_clients_gets_its_own(tmp_path: Path, clients: int, prompts: int) -> None:
    seen: dict[tuple[int, int], str] = {}
    failed: list[BaseException] = []

    def live(number: int) -> None:
        try:
            with Client(found.address, f"client {number}") as client:
                for turn in range(prompts):
                    value = number * 1000 + turn
                    prompt = graph(
                        i=("StubInt", {"value": value}), picture=image(height=8 + turn),
                        looks=("TestLooks", {"value": "@i"}), shown=("PreviewImage", {"images": "@picture"}),
                    )  # fmt: skip
                    ran = client.run(prompt)
                    assert ran.entry["outputs"]["looks"]["shape"] == [value]
                    assert len(ran.entry["outputs"]["shown"]["images"]) == 1
                    mine = ran.answer["prompt_id"]
                    frames = [each for each in ran.frames if each["type"] not in ("status", "execution_interrupted")]
                    assert {each["data"]["prompt_id"] for each in frames} == {mine}, "nobody hears of another's prompt"
                    assert ran.kinds.count("execution_start") == ran.kinds.count("execution_success") == 1
                    seen[number, turn] = mine
        except BaseException as error:
            failed.append(error)

    with served(tmp_path / "s") as found:
        with Neighbours(found.address) as neighbours:
            threads = [threading.Thread(target=live, args=(number,)) for number in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(4 * PATIENCE)
        assert not failed, failed[0]
        assert not neighbours.failed, neighbours.failed[0]
        assert len(set(seen.values())) == len(seen) == clients * prompts
        assert all(neighbours.turns.values()), neighbours.turns
        with Client(found.address) as client:
            history = client.get("/history")
            assert set(seen.values()) <= set(history)
            until(lambda: not client.get("/prompt")["exec_info"]["queue_remaining"])
            until(lambda: len(found.server.sockets) == 1)
