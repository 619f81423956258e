"""The templates that ComfyUI ships for the families that Weft has, each run to its end on stand-ins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest

from weft.nodes.diffusion.families import release_meant

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "comfyui-workflow-templates-json"
PAGE = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
KNOWN = re.findall(r"^- (\S+)$", PAGE.partition("## Those whose classes are all known")[2], re.MULTILINE)
LOADERS = {
    "CheckpointLoaderSimple", "ImageOnlyCheckpointLoader", "UNETLoader", "UnetLoaderGGUF", "unCLIPCheckpointLoader",
}  # fmt: skip
UNSAID = "sd1"
"""What release_meant gives for a name that says nothing."""


def named(template: dict[str, Any]) -> Iterator[str]:
    """The files of diffusion models that it loads."""
    for canvas in (template, *(template.get("definitions") or {}).get("subgraphs", ())):
        for node in canvas["nodes"]:
            if node["type"] in LOADERS:
                yield from (value for value in node.get("widgets_values") or () if "." in str(value))


def of_our_families() -> Iterator[tuple[str, Path]]:
    """The templates all of whose classes and models are known, by their names."""
    for file in files(PACKAGE) or ():
        if file.parent.name == "templates" and file.suffix == ".json" and file.stem in KNOWN:
            models = [*named(json.loads(file.read_text(encoding="utf-8")))]
            if models and all(release_meant(name) not in ("", UNSAID) for name in models):
                yield file.stem, Path(str(file.locate()))


TEMPLATES = dict(sorted(of_our_families()))


def test_there_are_templates_of_every_family() -> None:
    releases = {
        release_meant(model)
        for file in TEMPLATES.values()
        for model in named(json.loads(file.read_text(encoding="utf-8")))
    }
    assert len(TEMPLATES) > 70
    assert {"flux", "flux2", "qwen_image", "z_image", "sd3", "sdxl", "wan", "wan_i2v"} <= releases


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_runs_to_its_end(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "weft", "run", str(TEMPLATES[name]), "--stand-ins", "--output", str(tmp_path)]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    run = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    # Some only look at what they make.
    made = [*run.stdout.splitlines(), *re.findall(r"^preview: (.+)$", run.stderr, re.MULTILINE)]
    assert made and all(Path(file).stat().st_size for file in made), run.stderr[-3000:]
