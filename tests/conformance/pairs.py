"""Workflows of the editor, and the prompts that ComfyUI's own frontend made of each.

Made with ComfyUI 0.3.64 by the frontends 1.27.10 (`fe127`) and 1.58.1 (`fe158`) in a headless browser, the clock at
2024-01-02T03:04:05 UTC, Math.random() at 0. `tricky/` holds hand-made workflows, one topic each; the workflows of
templates.jsonl.gz come from the package comfyui-workflow-templates-json (MIT). Older third-party examples stay outside
the repository and are read where WEFT_SHARED names their folder.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

from weft.engine.envelopes import is_workflow

FOLDER = Path(__file__).resolve().parent
TEMPLATES = "comfyui-workflow-templates-json"

Json = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A workflow and the prompts that frontends made of it.

    `recommended` names the one to hold a conversion to, `either`, or `none` where frontends are known to be wrong;
    `disputed` says that they differ; `unknown_classes` that ComfyUI 0.3.64 lacks.
    """

    name: str
    workflow: Json
    prompts: Mapping[str, Json]
    recommended: str
    disputed: bool
    unknown_classes: tuple[str, ...]

    def references(self) -> dict[str, Json]:
        """The prompts to hold a conversion to; where none is recommended, those that there are."""
        several = {"either": ("fe127", "fe158"), "none": ("fe127", "fe158")}
        wanted = several.get(self.recommended, (self.recommended.removesuffix(" (up to ids)"),))
        return {name: self.prompts[name] for name in wanted if name in self.prompts}


@cache
def templates() -> dict[str, Json]:
    """Every template of the package that is a workflow, by its name."""
    names = [file for file in files(TEMPLATES) or () if file.suffix == ".json" and file.parent.name == "templates"]
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in names}
    return {name: document for name, document in found.items() if is_workflow(document)}


@cache
def pairs() -> dict[str, Pair]:
    """The pairs of the repository, `tricky/NAME` and `templates_new/NAME`."""
    found = {}
    for name, about in _read(FOLDER / "tricky" / "index.json").items():
        kinds = {"fe127": "prompt", "fe158": "prompt_fe158", "last_choice": "prompt_lastchoice"}
        places = {kind: FOLDER / "tricky" / f"{name}.{suffix}.json" for kind, suffix in kinds.items()}
        prompts = {kind: _read(place) for kind, place in places.items() if place.exists()}
        found[f"tricky/{name}"] = _pair(
            f"tricky/{name}", _read(FOLDER / "tricky" / f"{name}.workflow.json"), prompts, about
        )
    with gzip.open(FOLDER / "templates.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            name = f"templates_new/{row['name']}"
            found[name] = _pair(name, templates()[row["name"]], row["prompts"], row)
    return found


@cache
def older_pairs(corpus: Path) -> dict[str, Pair]:
    """The pairs that stand in a corpus outside the repository."""
    found = {}
    for name, row in _read(corpus / "manifest.json").items():
        if name.partition("/")[0] in ("examples", "examples_json", "templates"):
            prompts = {kind: _read(corpus / file) for kind, file in row["files"].items() if kind != "workflow"}
            about = {**row, "unknown_classes": row["ui_types_missing"]}
            found[name] = _pair(name, _read(corpus / row["files"]["workflow"]), prompts, about)
    return found


def _pair(name: str, workflow: Json, prompts: Mapping[str, Json], about: Json) -> Pair:
    return Pair(name, workflow, prompts, about["recommended"], about["disputed"], tuple(about["unknown_classes"]))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
