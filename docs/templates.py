"""Write docs/templates.md: which of ComfyUI's own templates Weft knows every class of, and what the others lack.

    python docs/templates.py [--check]

The templates are those of the package comfyui-workflow-templates-json (MIT; `pip install weft[test]`). Each is
converted as `weft convert` does it: it becomes a prompt, or it is refused with the names of the classes that are
missing. With --check nothing is written, and the exit code is 1 where the page is not up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import files, version
from pathlib import Path
from typing import Any

from weft.engine.envelopes import is_workflow
from weft.engine.errors import InvalidWorkflow
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry

PAGE = Path(__file__).resolve().with_suffix(".md")
PACKAGE = "comfyui-workflow-templates-json"

Json = dict[str, Any]

# What a missing class belongs to: the first whose expression is found in its name.
FAMILIES = {
    "LTX video": r"^LTX|LTXV|ICLoRA|^LatentUpscaleModelLoader",
    "Wan": r"^Wan|^TrimVideoLatent|SCAIL|Bernini|^VOID|^ARVideo|SamplerARVideo|CausalForcing",
    "MiniMax H3": r"MiniMaxH3",
    "HunyuanVideo": r"HunyuanVideo|HunyuanImage|HunyuanRefiner|Kandinsky",
    "3D: meshes, splats, depth": (
        r"3D|Mesh|Trellis|Voxel|Splat|GLB|Pixal|^Bake|UV|Texture|MoGe|DA3|AmbientOcclusion|LoadDA3|Camera|PosePile"
    ),
    "music and speech": r"Audio|AceStep|YuE|MiniMaxMusic|SheetSage|StableAudio|MOSS",
    "text generation": r"TextGenerate",
    "segmentation and detection": r"SAM3|RTDETR|SDPose|MediaPipe|RemoveBackground|BackgroundRemoval|BuildPose",
    "SeedVR2": r"SeedVR2",
    "Qwen Image": r"Qwen",
    "Flux 2 and 3": r"Flux",
    "HiDream": r"HiDream|QuadrupleCLIP",
    "Stable Diffusion 3": r"SD3|TripleCLIP|SkipLayer",
    "Stable Cascade": r"StableCascade",
    "video in time": r"FrameInterpolat|OpticalFlow|VideoSlice|^Video|Track",
    "conditionings of other families": r"^TextEncode|^CLIPTextEncode|ModelPatch|Lotus|USO|Marigold|^PiD|AnimaLLLite",
}
OTHERS = "others"


def templates() -> tuple[dict[str, Json], dict[str, Json]]:
    """The workflows of the package by name, and what its index says of each."""
    found: dict[str, Json] = {}
    index: dict[str, Json] = {}
    for file in files(PACKAGE) or ():
        if file.suffix == ".json" and file.parent.name == "templates":
            document = json.loads(file.read_text(encoding="utf-8"))
            if file.stem == "index":
                index = {entry["name"]: entry for part in document for entry in part["templates"]}
            elif is_workflow(document):
                found[file.stem] = document
    return dict(sorted(found.items())), index


def lacks(template: Json, registry: Registry) -> frozenset[str]:
    """The classes without which it is no prompt; none where it converts."""
    try:
        to_prompt(Workflow.parse(template), registry)
    except InvalidWorkflow as error:
        others = [issue for issue in error.issues if issue.code != "missing_node_type"]
        if others:
            raise
        return frozenset(str(issue.class_type) for issue in error.issues)
    return frozenset()


def family(class_type: str) -> str:
    """What a missing class belongs to."""
    return next((name for name, pattern in FAMILIES.items() if re.search(pattern, class_type)), OTHERS)


def page(documents: Mapping[str, Json], index: Mapping[str, Json], registry: Registry) -> str:
    """The text of docs/templates.md."""
    missing = {name: lacks(document, registry) for name, document in documents.items()}
    local = [name for name in missing if index[name].get("openSource") is not False]
    known = [name for name in local if not missing[name]]
    served = len(missing) - len(local)
    share = round(100 * len(known) / len(local))
    lines = [
        "# ComfyUI's templates",
        "",
        "Made by `python docs/templates.py`; a test says when it is to be made anew.",
        "",
        f"The package `{PACKAGE}` {version(PACKAGE)} has {len(missing)} workflows. {served} of them ask paid services,",
        "whose nodes Weft does not have. Of the others, which run on one's own machine, Weft knows every class of",
        f"{len(known)} of {len(local)} ({share} %). That says nothing of the weights: a model of another family is",
        "refused by name.",
        "",
        "Every one of them is converted, or refused with the names of the classes that are missing.",
        "",
        "## What the others lack",
        "",
        "A template counts in each row that it needs a class of; alone where it needs nothing else.",
        "",
        "| family | templates | alone | classes, by the templates that need them |",
        "| --- | --- | --- | --- |",
        *_rows({name: missing[name] for name in local if missing[name]}),
        "",
        "## Those whose classes are all known",
        "",
        *(f"- {name}" for name in known),
    ]
    return "\n".join(lines) + "\n"


def _rows(missing: Mapping[str, frozenset[str]]) -> Iterator[str]:
    classes = Counter(class_type for lacked in missing.values() for class_type in lacked)
    families = {name: {family(class_type) for class_type in lacked} for name, lacked in missing.items()}
    needing = Counter(each for found in families.values() for each in found)
    alone = Counter(next(iter(found)) for found in families.values() if len(found) == 1)
    for each, count in sorted(needing.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0])):
        of_it = sorted(((-n, name) for name, n in classes.items() if family(name) == each))
        spelled = ", ".join(f"`{name}` {-n}" if n < -1 else f"`{name}`" for n, name in of_it)
        yield f"| {each} | {count} | {alone[each]} | {spelled} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="say whether the page is up to date; write nothing")
    check = parser.parse_args().check
    text = page(*templates(), Registry.discover())
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(PAGE)
    return int(check and PAGE.read_text(encoding="utf-8") != text)


if __name__ == "__main__":
    sys.exit(main())
