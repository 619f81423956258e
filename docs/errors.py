"""Write docs/errors.md: common mistakes in a workflow, what ComfyUI answers, and what Weft prints.

    python docs/errors.py [--check]

Each mistake is one change of a sound workflow, in API format, and `weft validate` is really run on all of them. What
ComfyUI answers are the types and messages of its server's JSON (0.3.64). With --check nothing is written, and the exit
code is 1 where the page is not up to date.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from weft.cli import main as weft
from weft.engine.folders import SHIPPED

PAGE = Path(__file__).resolve().with_suffix(".md")
Json = dict[str, Any]
RUNS = "runs it, and says nothing"


def _stage(start: int, end: int, latent: list[Any], positive: str) -> Json:
    """A stage of 20 steps, from one step to another."""
    return {
        "model": ["1", 0], "positive": [positive, 0], "negative": ["3", 0], "latent_image": latent,
        "add_noise": "disable" if start else "enable", "noise_seed": 7, "steps": 20, "cfg": 2.0,
        "sampler_name": "euler", "scheduler": "karras", "start_at_step": start, "end_at_step": end,
        "return_with_leftover_noise": "disable" if end == 10_000 else "enable",
    }  # fmt: skip


SOUND: Json = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "red apple", "clip": ["1", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
    "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
    "5": {"class_type": "KSamplerAdvanced", "inputs": _stage(0, 10, ["4", 0], "2"), "_meta": {"title": "first"}},
    "6": {"class_type": "KSamplerAdvanced", "inputs": _stage(10, 10_000, ["5", 0], "9"), "_meta": {"title": "second"}},
    "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
    "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "x"}},
    "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "red rabbit", "clip": ["1", 1]}},
}


class Mistake(NamedTuple):
    """What somebody did, what changes the sound workflow so (a text instead of a document too), ComfyUI's answer."""

    what: str
    make: Callable[[Json], Any]
    comfyui: str


def put(node_id: str, name: str, value: Any) -> Callable[[Json], Json]:
    """A change of one input."""

    def make(prompt: Json) -> Json:
        prompt[node_id]["inputs"][name] = value
        return prompt

    return make


def lose(node_id: str, name: str) -> Callable[[Json], Json]:
    """A change that takes an input away."""

    def make(prompt: Json) -> Json:
        del prompt[node_id]["inputs"][name]
        return prompt

    return make


def called(node_id: str, class_type: str) -> Callable[[Json], Json]:
    """A change of a class."""

    def make(prompt: Json) -> Json:
        prompt[node_id]["class_type"] = class_type
        return prompt

    return make


def with_node(node_id: str, class_type: str, **inputs: Any) -> Callable[[Json], Json]:
    """A change that puts a node there."""
    return lambda prompt: {**prompt, node_id: {"class_type": class_type, "inputs": inputs}}


def both(*changes: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """Several changes."""

    def make(prompt: Json) -> Json:
        for change in changes:
            prompt = change(prompt)
        return prompt

    return make


def _renamed(prompt: Json) -> Json:
    inputs = prompt["5"]["inputs"]
    inputs["positve"] = inputs.pop("positive")
    return prompt


def _without_class(prompt: Json) -> Json:
    del prompt["5"]["class_type"]
    return prompt


def _twice(prompt: Json) -> str:
    text = json.dumps(prompt, indent=2)
    return text.replace('"steps": 20,', '"steps": 20, "steps": 30,', 1)


def _single(**inputs: Any) -> Callable[[Json], Json]:
    """One KSampler in the place of the two stages."""

    def make(prompt: Json) -> Json:
        del prompt["6"], prompt["9"]
        common = {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 7}
        common |= {"steps": 20, "cfg": 2.0, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0}
        prompt["5"] = {"class_type": "KSampler", "inputs": {**common, **inputs}}
        prompt["7"]["inputs"]["samples"] = ["5", 0]
        return prompt

    return make


def _from_picture(prompt: Json) -> Json:
    prompt["10"] = {"class_type": "LoadImage", "inputs": {"image": "cat.png"}}
    prompt["11"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["1", 2]}}
    return put("5", "latent_image", ["11", 0])(prompt)


FAILED = "400 prompt_outputs_failed_validation; node_errors: "
STRUCTURE = (
    Mistake("a class that is misspelled", called("5", "KSamplerAdvancd"),
            "400 invalid_prompt: Cannot execute because node KSamplerAdvancd does not exist. (Node ID '#5')"),
    Mistake("a class by its title", called("5", "KSampler (Advanced)"),
            "400 invalid_prompt: Cannot execute because node KSampler (Advanced) does not exist. (Node ID '#5')"),
    Mistake("a node without class_type", _without_class,
            "400 invalid_prompt: Cannot execute because a node is missing the class_type property. (Node ID '#5')"),
    Mistake("a comment beside the nodes", lambda prompt: {**prompt, "comment": "for Ada"},
            "400 invalid_prompt: ... missing the class_type property."),
    Mistake("no output node", lambda prompt: {key: node for key, node in prompt.items() if key != "8"},
            "400 prompt_no_outputs: Prompt has no outputs"),
    Mistake("an empty document", lambda prompt: {}, "400 prompt_no_outputs: Prompt has no outputs"),
    Mistake("a comma too few", lambda prompt: json.dumps(prompt, indent=2).replace("},", "}", 1),
            "nothing: its clients send no JSON that is broken"),
    Mistake("a key that stands twice", _twice, "takes the last one, and says nothing"),
    Mistake("a required input that is missing", lose("5", "steps"), FAILED + "required_input_missing: steps"),
    Mistake("an input that is misspelled", _renamed, FAILED + "required_input_missing: positive"),
    Mistake("an input of another class", put("5", "denoise", 0.5), "drops it, and says nothing"),
    Mistake("a link to a node that is not there", put("7", "samples", ["66", 0]),
            FAILED + "exception_during_inner_validation: '66' (KeyError)"),
    Mistake("a link to an output that is not there", put("7", "vae", ["1", 3]),
            FAILED + "exception_during_validation: tuple index out of range"),
    Mistake("a link without a slot", put("7", "samples", ["6"]), FAILED + "bad_linked_input: samples"),
    Mistake("a list where a text goes", put("2", "text", ["red", "apple", "tree"]), FAILED + "bad_linked_input: text"),
    Mistake("a link of another type: the VAE as model", put("5", "model", ["1", 2]),
            FAILED + "return_type_mismatch: model, received_type(VAE) mismatch input_type(MODEL)"),
    Mistake("a text linked as conditioning: CLIP as positive", put("5", "positive", ["1", 1]),
            FAILED + "return_type_mismatch: positive, received_type(CLIP) mismatch input_type(CONDITIONING)"),
    Mistake("a latent saved as a picture", put("8", "images", ["6", 0]),
            FAILED + "return_type_mismatch: images, received_type(LATENT) mismatch input_type(IMAGE)"),
    Mistake("nodes that wait for each other", put("5", "latent_image", ["6", 0]),
            "400 prompt_outputs_failed_validation, with node_errors empty"),
    Mistake("a number that is none", put("5", "steps", "twenty"),
            FAILED + "invalid_input_type: Failed to convert an input value to a INT value"),
    Mistake("no steps", put("5", "steps", 0), FAILED + "value_smaller_than_min: Value 0 smaller than min of 1"),
    Mistake("cfg as a percentage", put("5", "cfg", 700),
            FAILED + "value_bigger_than_max: Value 700.0 bigger than max of 100.0"),
    Mistake("a seed below zero", put("5", "noise_seed", -1),
            FAILED + "value_smaller_than_min: Value -1 smaller than min of 0"),
    Mistake("a sampler by the name that others give it", put("5", "sampler_name", "Euler a"),
            FAILED + "value_not_in_list: sampler_name: 'Euler a' not in (list of length 40)"),
    Mistake("a scheduler that is misspelled", put("5", "scheduler", "karas"),
            FAILED + "value_not_in_list: scheduler: 'karas' not in [...]"),
    Mistake("a model that is not there", put("1", "ckpt_name", "sd15.safetensors"),
            FAILED + "value_not_in_list: ckpt_name: 'sd15.safetensors' not in [...]"),
    Mistake("a model without its suffix", put("1", "ckpt_name", "weft-tiny"),
            FAILED + "value_not_in_list: ckpt_name: 'weft-tiny' not in [...]"),
    Mistake("a picture that is not there", _from_picture,
            FAILED + "custom_validation_failed: image - Invalid image file: cat.png"),
    Mistake("an embedding that is not there", put("2", "text", "red apple, embedding:easynegative"),
            "draws without it, and logs a warning"),
    Mistake("one of two outputs is wrong", with_node("10", "SaveImage", images=["6", 0], filename_prefix="y"),
            "200: runs the other one; node_errors has return_type_mismatch"),
)  # fmt: skip
MEANING = (
    Mistake("a gap between two stages", put("6", "start_at_step", 12), RUNS),
    Mistake("stages that overlap", put("6", "start_at_step", 8), RUNS),
    Mistake("noise added in the second stage, too", put("6", "add_noise", "enable"), RUNS),
    Mistake("leftover noise dropped before the second stage", put("5", "return_with_leftover_noise", "disable"), RUNS),
    Mistake("no noise in the first stage", put("5", "add_noise", "disable"), RUNS),
    Mistake("a last stage that stops early",
            both(put("6", "end_at_step", 15), put("6", "return_with_leftover_noise", "enable")), RUNS),
    Mistake("stages that count other steps", put("6", "steps", 30), RUNS),
    Mistake("stages with other schedulers", put("6", "scheduler", "normal"), RUNS),
    Mistake("a start beyond the end", put("6", "start_at_step", 25), RUNS),
    Mistake("an empty latent decoded", put("7", "samples", ["4", 0]), RUNS),
    Mistake("a prompt schedule where none is read", put("2", "text", "red [apple:rabbit:0.5]"), RUNS),
    Mistake("positive and negative are one text", _single(negative=["2", 0]), RUNS),
    Mistake("denoise 0.5 on an empty latent", _single(denoise=0.5), RUNS),
)  # fmt: skip


def said(mistakes: Mapping[str, Any]) -> dict[str, list[str]]:
    """What `weft validate` prints of each document, by name: places without the file, and the hint for all of them."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name, document in mistakes.items():
            text = document if isinstance(document, str) else json.dumps(document, indent=2)
            Path(f"{name}.json").write_text(text)
        os.environ.pop("WEFT_MODELS", None)
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()):
            weft(["validate", *(f"{name}.json" for name in mistakes)])
        place = os.path.realpath(folder)
    found: dict[str, list[str]] = defaultdict(list)
    for line in out.getvalue().replace(f"{place}/", "").replace(str(SHIPPED), "weft/models").splitlines():
        name, _, rest = line.partition(".json:")
        if rest:
            found[name].append(f"w.json:{rest}")
    return found


def page() -> str:
    """The text of docs/errors.md."""
    sections = {"What cannot run": STRUCTURE, "What runs, and does not do what it says": MEANING}
    documents = {
        f"{letter}{number}": each.make(deepcopy(SOUND))
        for letter, mistakes in zip("am", sections.values(), strict=True)
        for number, each in enumerate(mistakes)
    }
    told = said({"sound": SOUND, **documents})
    if told.get("sound"):
        raise SystemExit(f"the sound workflow is none: {told['sound']}")
    lines = [
        "# Mistakes, and what is said of them",
        "",
        "Made by `python docs/errors.py`, which runs `weft validate` on each; a test says when it is to be made anew.",
        f"{len(documents)} common mistakes in one workflow: two chained samplers, saved as `w.json` in API format.",
        "What ComfyUI answers is the status, type and message of its server (0.3.64), as its editor shows it.",
        "`weft validate` takes a valid workflow to be one that runs and does what it says: what `weft lint` finds is a",
        "warning here ([lint.md](lint.md)).",
    ]
    for letter, (title, mistakes) in zip("am", sections.items(), strict=True):
        lines += ["", f"## {title}", "", "| mistake | ComfyUI | Weft |", "| --- | --- | --- |"]
        for number, each in enumerate(mistakes):
            words = told[f"{letter}{number}"]
            if not words:
                raise SystemExit(f"nothing is said of: {each.what}")
            lines.append(f"| {each.what} | {_cell(each.comfyui)} | {'<br>'.join(map(_code, words))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    return f"`{text.replace('|', '/').replace('`', chr(39))}`"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Write docs/errors.md.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 where the page is not up to date"
    )
    check = parser.parse_args(arguments).check
    text = page()
    if check:
        return int(not PAGE.is_file() or PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
