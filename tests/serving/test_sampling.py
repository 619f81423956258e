"""A workflow with a model, as a client sees it: progress, pictures of the way, the result."""

from __future__ import annotations

import gc
import io
import json
import time
from pathlib import Path

import pytest
from PIL import Image

from .talk import PATIENCE, Client, served

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "prompt_switch.api.json"


KNOWING = {"supports_preview_metadata": True}


@pytest.mark.slow
def test_a_sampler_shows_what_it_is_at(tmp_path: Path) -> None:
    prompt = json.loads(WORKFLOW.read_text())
    with served(tmp_path / "s") as found, Client(found.address, flags=KNOWING) as client:
        ran = client.run(prompt)
        assert ran.entry["status"]["status_str"] == "success"
        pictures = [Image.open(io.BytesIO(frame["image"])) for frame in ran.frames if frame["type"] == "binary 4"]
        assert len(pictures) == len(ran.said("progress"))
        assert {picture.size for picture in pictures} == {(16, 16)}
        assert len({picture.tobytes() for picture in pictures}) == len(pictures)
        [shown] = ran.entry["outputs"]["9"]["images"]
        content = client.ask("GET", f"/view?filename={shown['filename']}").body
        assert json.loads(Image.open(io.BytesIO(content)).info["prompt"]) == prompt
        again = client.run(prompt)
        assert again.executed == []


@pytest.mark.slow
def test_models_are_let_go_and_what_they_computed_stays(tmp_path: Path) -> None:
    def models() -> list[str]:
        gc.collect()
        return [type(each).__name__ for each in gc.get_objects() if type(each).__name__ == "PatchedNetwork"]

    prompt = json.loads(WORKFLOW.read_text())
    before = len(models())
    with served(tmp_path / "s") as found, Client(found.address) as client:
        client.run(prompt)
        kept = found.server.rounds.used
        assert len(models()) > before
        client.ask("POST", "/free", {"unload_models": True})
        end = time.monotonic() + PATIENCE
        while len(models()) > before:
            assert time.monotonic() < end
        assert 0 < found.server.rounds.used < kept
        assert client.run(prompt).executed == []
        prompt["9"]["inputs"]["filename_prefix"] = "elsewhere"
        assert client.run(prompt).executed == ["9"]
        prompt["4"]["inputs"]["width"] = 64
        assert "1" in client.run(prompt).executed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "plain", "knowing"), [("", 0, 20), ("auto", 20, 20), ("none", 0, 0)], ids=["by default", "auto", "none"]
)
def test_who_takes_any_picture_for_a_result_is_sent_none_of_the_way(
    tmp_path: Path, method: str, plain: int, knowing: int
) -> None:
    prompt = json.loads(WORKFLOW.read_text())
    with served(tmp_path / "s", preview_method=method) as found:
        for flags, count in ((None, plain), (KNOWING, knowing)):
            with Client(found.address, flags=flags) as client:
                client.ask("GET", "/weft/state")  # somebody looks at the page, too
                ran = client.run(prompt)
                assert len([frame for frame in ran.frames if frame["type"].startswith("binary")]) == count
            prompt["6"]["inputs"]["noise_seed"] += 1
