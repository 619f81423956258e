"""The transcript that was recorded from ComfyUI, played to this server: what its clients asked, and what they saw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .talk import PACKS, Client, Running, served, session_of

pytestmark = pytest.mark.slow

OTHER_WORDS = frozenset({
    # Where ComfyUI answers with an exception of its code, what is wrong is said: same status, other words.
    "invalid: link to missing node", "invalid: output links to missing node", "invalid: static cycle",
    "invalid: link to a slot that is not there",
})  # fmt: skip
OTHERS_RUN = frozenset({"list map with expansion in one element", "dynamic cycle", "SaveImage"})
"""The pack of these tests expands into other nodes than that of the recording; none is begun where they wait for each
other; and what was computed inside an expansion serves an equal node of the next prompt."""


@pytest.fixture(scope="module")
def probed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("probed")
    session = session_of(folder, custom_nodes=[PACKS, shared / "probe" / "probe_pack"])
    with served(folder, session=session) as found:
        yield found


def test_clients_see_what_they_saw_of_comfyui(shared: Path, probed: Running) -> None:
    scenarios = json.loads((shared / "probe" / "transcript.json").read_text())
    played = 0
    with Client(probed.address) as plain, Client(probed.address, flags={"supports_preview_metadata": True}) as able:
        able.next()
        for scenario in scenarios:
            asked = scenario.get("http", {})
            if asked.get("path") != "/prompt" or not isinstance(asked.get("sent"), dict):
                continue
            client = able if "metadata flag" in scenario["scenario"] else plain
            sent = {**asked["sent"], "client_id": client.client_id}
            if scenario["scenario"] == "execution blocker with message":
                # The recording has what became of this prompt afterwards.
                [sent["prompt"]] = [entry["prompt"][2] for entry in scenario["history"].values()]
            answer = client.ask("POST", "/prompt", sent)
            assert answer.status == asked["status"], scenario["scenario"]
            played += 1
            if answer.status != 200:
                compare(scenario["scenario"], answer.json, asked["answer"])
                continue
            frames = client.frames(answer.json["prompt_id"])
            seen, recorded_frames = told(frames), told(scenario["ws"])
            if "expansion" in scenario["scenario"]:  # its author's code orders the nodes inside by a set
                seen, recorded_frames = sorted(map(str, seen)), sorted(map(str, recorded_frames))
            if scenario["scenario"] not in OTHERS_RUN:
                assert seen == recorded_frames, scenario["scenario"]
            entry = client.get(f"/history/{answer.json['prompt_id']}")[answer.json["prompt_id"]]
            [recorded] = scenario["history"].values()
            assert entry["outputs"].keys() == recorded["outputs"].keys(), scenario["scenario"]
            assert entry["prompt"][2] == recorded["prompt"][2], scenario["scenario"]
            assert entry["prompt"][4] == recorded["prompt"][4], scenario["scenario"]
    assert played > 35


def compare(name: str, answer: Any, recorded: Any) -> None:
    assert answer["error"]["type"] == recorded["error"]["type"], name
    if name in OTHER_WORDS:
        return
    assert answer["error"]["details"] == recorded["error"]["details"], name
    assert {node: plain(said) for node, said in answer["node_errors"].items()} == {
        node: plain(said) for node, said in recorded["node_errors"].items()
    }, name


def plain(said: Any) -> Any:
    errors = [
        json.dumps({**each, "extra_info": {**each["extra_info"], "hint": 0}}, sort_keys=True) for each in said["errors"]
    ]
    return {**said, "errors": sorted(errors)}


def told(frames: list[Any]) -> list[Any]:
    """The frames of a prompt, each once, without its times: what was cached before depends on what ran before."""
    found: list[Any] = []
    for frame in frames:
        kind, data = frame.get("type"), frame.get("data", {})
        if kind in ("executing", "executed"):
            found.append((kind, data["node"], data.get("display_node")))
        elif kind == "execution_error":
            found.append((kind, data["node_id"], data["node_type"], data["exception_type"]))
        elif kind in ("execution_start", "execution_success", "execution_interrupted"):
            found.append(kind)
    return list(dict.fromkeys(found))
