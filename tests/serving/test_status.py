"""The status page: its parts, and what it is told."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .talk import Client, graph, image, served


def small() -> dict[str, Any]:
    return graph(one=image("WHITE", width=9), out=("SaveImage", {"images": "@one", "filename_prefix": "status"}))


def test_the_page_has_its_parts_and_takes_nothing_from_elsewhere(alone: Client) -> None:
    page = alone.ask("GET", "/weft")
    text = page.body.decode()
    assert page.status == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    named = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', text)
    assert sorted(named) == ["weft/status.css", "weft/status.js"]
    script = ""
    for name, kind in zip(sorted(named), ("text/css", "text/javascript"), strict=True):
        part = alone.ask("GET", f"/{name}")
        assert (part.status, part.headers["Content-Type"].partition(";")[0]) == (200, kind)
        script = part.body.decode()
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(re.findall(r'id="([\w-]+)"', text))
    assert "http://" not in script
    assert "https://" not in script


def test_the_state_tells_what_has_run(alone: Client) -> None:
    ran = alone.run(small())
    state = alone.get("/weft/state")
    assert (state["running"], state["waiting"]) == (None, [])
    [ended] = [each for each in state["ended"] if each["prompt_id"] == ran.answer["prompt_id"]]
    assert ended["status"] == "success"
    assert ended["message"] == ""
    assert [file["filename"].startswith("status_") for file in ended["files"]] == [True]
    assert ended["started"] <= ended["ended"]
    assert [name for name, size, most in state["memory"] if size > most > 0] == []


def test_a_failure_is_told_with_its_node(alone: Client) -> None:
    ran = alone.run(
        graph(
            one=image("WHITE", width=9),
            bad=("TestAsyncFails", {"value": "@one"}),
            out=("PreviewImage", {"images": "@bad"}),
        )
    )
    [ended] = [each for each in alone.get("/weft/state")["ended"] if each["prompt_id"] == ran.answer["prompt_id"]]
    assert ended["status"] == "error"
    assert ended["message"].startswith("TestAsyncFails: ")


def test_what_runs_and_waits_is_told_to_everybody(tmp_path: Path) -> None:
    slow = graph(
        one=image(), wait=("TestSleep", {"value": "@one", "seconds": 9.0}), out=("PreviewImage", {"images": "@wait"})
    )
    with served(tmp_path) as running, Client(running.address) as client, Client(running.address) as other:
        first, second = (client.post(slow).json["prompt_id"] for _ in range(2))
        deadline = time.monotonic() + 30
        while "wait" not in ((state := other.get("/weft/state"))["running"] or {"nodes": ()})["nodes"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert state["running"]["prompt_id"] == first
        assert state["running"]["total"] == 3
        assert state["running"]["nodes"]["wait"]["state"] == "running"
        assert state["running"]["current"] == "TestSleep"
        assert [job["prompt_id"] for job in state["waiting"]] == [second]
        assert other.ask("GET", f"/weft/preview/{first}").status == 404
        client.ask("POST", "/queue", {"clear": True})
        client.ask("POST", "/interrupt", {})
        while other.get("/weft/state")["running"] is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [(job["prompt_id"], job["status"]) for job in other.get("/weft/state")["ended"]] == [
            (first, "interrupted")
        ]


def test_a_prompt_is_drawn_and_given_back(alone: Client) -> None:
    prompt = small()
    ran = alone.run(prompt)
    drawing = alone.ask("GET", f"/weft/drawing/{ran.answer['prompt_id']}")
    assert "sandbox" in drawing.headers["Content-Security-Policy"]
    nodes = {each.get("data-id") for each in ElementTree.fromstring(drawing.body).iter() if each.get("data-id")}
    assert nodes == set(prompt)
    given = alone.ask("GET", f"/weft/workflow/{ran.answer['prompt_id']}")
    assert given.json == prompt
    assert given.headers["Content-Disposition"].startswith("attachment")
    assert {alone.ask("GET", f"/weft/{part}/none").status for part in ("drawing", "workflow", "preview")} == {404}


def test_what_the_editor_saved_is_drawn_as_it_is(alone: Client) -> None:
    save = {
        "nodes": [{"id": 1, "type": "EmptyImage", "pos": [10, 20], "size": [200, 80], "inputs": [], "outputs": []}],
        "links": [], "version": 0.4,
    }  # fmt: skip
    ran = alone.run(small(), extra_data={"extra_pnginfo": {"workflow": save}})
    assert alone.ask("GET", f"/weft/workflow/{ran.answer['prompt_id']}").json == save
    assert b'data-id="1"' in alone.ask("GET", f"/weft/drawing/{ran.answer['prompt_id']}").body
