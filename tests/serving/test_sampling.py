"""A workflow with a model, as a client sees it: progress, pictures of the way, the result."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from .talk import Client, served

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "prompt_switch.api.json"


@pytest.mark.slow
def test_a_sampler_shows_what_it_is_at(tmp_path: Path) -> None:
    prompt = json.loads(WORKFLOW.read_text())
    with served(tmp_path / "s") as found, Client(found.address) as client:
        ran = client.run(prompt)
        assert ran.entry["status"]["status_str"] == "success"
        pictures = [Image.open(io.BytesIO(frame["image"])) for frame in ran.frames if frame["type"] == "binary 1"]
        assert len(pictures) == len(ran.said("progress"))
        assert {picture.size for picture in pictures} == {(16, 16)}
        assert len({picture.tobytes() for picture in pictures}) == len(pictures)
        [shown] = ran.entry["outputs"]["9"]["images"]
        content = client.ask("GET", f"/view?filename={shown['filename']}").body
        assert json.loads(Image.open(io.BytesIO(content)).info["prompt"]) == prompt
        again = client.run(prompt)
        assert again.executed == []
