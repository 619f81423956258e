"""Clients that nobody here wrote: the script of the docs, and those of others that are installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from .talk import Running, graph, image

DOCS = Path(__file__).resolve().parents[2] / "docs" / "serve.md"
COMFY_CLI = shutil.which("comfy")
COMFY = ("--skip-prompt", "run", "--workflow", "{file}", "--host", "{host}", "--port", "{port}", "--wait")
"""How comfy-cli runs a workflow."""


def prompt(number: int) -> str:
    nodes = {"1": image("BLACK", height=30 + number), "2": ("SaveImage", {"images": "@1", "filename_prefix": "of"})}
    return json.dumps(graph(**nodes))


@pytest.mark.slow
def test_the_script_of_the_docs_fetches_its_picture(one: Running, tmp_path: Path) -> None:
    section = DOCS.read_text().split("## A client", 1)[1].split("\n## ", 1)[0]
    script = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    (tmp_path / "portrait.api.json").write_text(prompt(1))
    script = script.replace("http://127.0.0.1:8188", one.address)
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert b"{}" in ran.stdout
    [picture] = tmp_path.glob("*.png")
    with Image.open(picture) as found:
        assert found.size == (8, 31)


# With which version it was seen says docs/serve.md.
if COMFY_CLI is not None:

    @pytest.mark.slow
    def test_comfy_cli_runs_a_workflow(one: Running, tmp_path: Path) -> None:
        place = urlsplit(one.address)
        file = tmp_path / "workflow.json"
        file.write_text(prompt(2))
        words = [word.format(file=file, host=place.hostname, port=place.port) for word in COMFY]
        environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": ""}
        ran = subprocess.run(
            [str(COMFY_CLI), *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}"
        assert re.search(r"of_\d+_\.png", ran.stdout), ran.stdout
