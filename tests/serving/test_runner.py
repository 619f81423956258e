"""The thread that runs prompts: what becomes of one is no affair of the next."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from weft.engine.serving.journal import Journal

from .talk import Client, graph, served

FINE = graph(i=("StubInt", {"value": 3}), out=("TestLooks", {"value": "@i"}))


@pytest.mark.parametrize("kept", [False, True])
def test_what_json_has_no_words_for_ends_its_own_prompt_alone(tmp_path: Path, kept: bool) -> None:
    options: dict[str, Any] = {"state": tmp_path / "state"} if kept else {}
    with served(tmp_path / "s", **options) as found, Client(found.address) as client:
        for what in ("circle", "keys", "depth"):
            shows = graph(shows=("TestShows", {"what": what}))
            client.ask("POST", "/prompt", {"prompt": shows, "prompt_id": what})  # nobody's: no frame tells of it
            assert client.run(FINE).entry["status"]["completed"]
            entry = client.get(f"/history/{what}")[what]
            assert (entry["status"]["status_str"], entry["outputs"]) == ("error", {})
            error = dict(entry["status"]["messages"])["execution_error"]
            assert (error["node_id"], "(ui)" in error["exception_message"]) == ("shows", True)
            assert client.run(shows).error["node_id"] == "shows", "of one that is served from the cache, too"
        assert client.run(graph(shows=("TestShows", {"what": "text"}))).entry["outputs"]["shows"] == {
            "shown": ["<class 'object'>"]
        }
        assert client.run(graph(shows=("TestShows", {"what": "number"}))).entry["outputs"]["shows"] == {"shown": [None]}
        assert len(client.get("/history")) == 11


def test_a_prompt_that_cannot_be_kept_has_ended_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    with (
        served(tmp_path / "s", state=tmp_path / "state", log=told.append) as found,
        Client(found.address) as client,
    ):

        def fails(done: Any) -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(found.server.kept, "done", fails)
        for _ in range(2):
            assert client.run(FINE).entry["status"]["completed"]
    assert [each["why"] for each in told if each["event"] == "not_kept"] == ["OSError: no space left on device"] * 2


def test_what_is_to_be_let_go_is_gone_before_the_next_prompt(alone: Client) -> None:
    assert alone.run(FINE).kinds
    assert alone.run(FINE).executed == []
    alone.ask("POST", "/free", {"free_memory": True})
    assert alone.run(FINE).executed == ["i", "out"]


def test_nobody_waits_for_who_does_not_read_what_the_server_says() -> None:
    read, said = threading.Event(), []

    def write(line: str) -> None:
        read.wait(10)
        said.append(line)

    journal = Journal()
    for line in "abc":
        journal.say(write, line)
    assert said == []
    read.set()
    journal.close(10)
    assert said == ["a", "b", "c"]


def test_a_stream_whose_reader_is_gone_is_written_to_no_more() -> None:
    said = []

    def write(line: str) -> None:
        said.append(line)
        raise KeyboardInterrupt

    journal = Journal()
    journal.say(write, "a")
    journal.say(write, "b")
    journal.close(10)
    assert said == ["a"]
