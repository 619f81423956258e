"""Workflows for the rules of `weft lint`: two stages that are right, and what makes them wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from weft.engine.linting.findings import LintFinding, lint, rules_of
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings
from weft.engine.workflow.prompt import Prompt

Document = dict[str, Any]
Shapes = Mapping[str, tuple[int, ...]]


def node(class_type: str, **inputs: Any) -> Document:
    """A node of a prompt."""
    return {"class_type": class_type, "inputs": inputs}


def stage(latent: str, start: int, end: int, *, steps: int = 20, **more: Any) -> Document:
    """A KSampler (Advanced) that adds noise if it is the first, and leaves some if it is not the last."""
    given = {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": [latent, 0],
        "add_noise": "enable" if start == 0 else "disable", "noise_seed": 7, "steps": steps, "cfg": 2.0,
        "sampler_name": "euler", "scheduler": "karras", "start_at_step": start, "end_at_step": end,
        "return_with_leftover_noise": "enable" if end < steps else "disable",
    }  # fmt: skip
    return node("KSamplerAdvanced", **{**given, **more})


def plain(latent: str, **more: Any) -> Document:
    """A KSampler."""
    given = {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": [latent, 0], "seed": 7,
        "steps": 20, "cfg": 2.0, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0,
    }  # fmt: skip
    return node("KSampler", **{**given, **more})


def workflow(**nodes: Document) -> Document:
    """A prompt whose picture is made of the latent of node 6; `n5` is node 5."""
    found = {
        "1": node("CheckpointLoaderSimple", ckpt_name="c.safetensors"),
        "2": node("CLIPTextEncode", text="red apple", clip=["1", 1]),
        "3": node("CLIPTextEncode", text="", clip=["1", 1]),
        "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "7": node("VAEDecode", samples=["6", 0], vae=["1", 2]),
        "8": node("SaveImage", images=["7", 0], filename_prefix="x"),
    }
    return {**found, **{name.removeprefix("n"): each for name, each in nodes.items()}}


def two_stages(first: Document | None = None, then: Document | None = None, **nodes: Document) -> Document:
    """Steps 0 to 8 of 20 in node 5 and the rest in node 6, with inputs of either changed."""
    found = workflow(n5=stage("4", 0, 8), n6=stage("5", 8, 10_000), **nodes)
    found["5"]["inputs"] |= first or {}
    found["6"]["inputs"] |= then or {}
    return found


@cache
def registry() -> Registry:
    """Weft's own classes."""
    return Registry.discover()


def findings(document: Document | Prompt, **settings: Any) -> list[LintFinding]:
    """What all rules find in a prompt."""
    prompt = document if isinstance(document, Prompt) else Prompt.parse(deepcopy(document))
    known = registry().packs
    read = Settings.load(settings, known.settings.values())
    return lint(prompt, registry(), read, rules_of(known))


def codes(document: Document | Prompt, *, spare: bool = False, **settings: Any) -> list[str]:
    """The codes of what is found, each with its node; of nodes that feed nothing if asked for, as many here do."""
    found = [each for each in findings(document, **settings) if spare or each.rule.code != "G104"]
    return [f"{each.rule.code} {each.issue.node_id}" for each in found]


def write(path: Path, shapes: Shapes) -> None:
    """A safetensors file that has only its header; the numbers are a hole."""
    header, end = {}, 0
    for key, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[key] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
