"""Measure what the faults that `weft lint` finds do to pictures, on the small model: table and strips of docs/lint.md.

    python docs/lint_damage.py [CODE ...]    some minutes; strips go into docs/images, the table into docs/lint.md

Of each rule, a workflow as it should be and the same with the fault draw 16 pictures: four prompts, four each. What a
picture shows is told by the judge of the model's own training, which knows drawings alone.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

import weft

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS, PAGE, IMAGES = ROOT / "workflows", ROOT / "docs" / "lint.md", ROOT / "docs" / "images"
sys.path.insert(0, str(WORKFLOWS / "models" / "training"))

from judge import judge_images, load_judge  # noqa: E402

PROMPTS = (("red", "apple"), ("blue", "fish"), ("yellow", "star"), ("green", "rabbit"))
TABLE = re.compile(r"(<!-- damage: made by docs/lint_damage.py -->\n).*?(\n<!-- end of damage -->)", re.S)

Document = dict[str, Any]
Make = Callable[[str], Document]
"""A workflow for a prompt; its pictures come from node 7."""


class Case(NamedTuple):
    """A workflow as it should be, the same with a fault, the strip's name if there is one, and the mode of the run."""

    code: str
    right: Make
    wrong: Make
    strip: bool = False
    settings: dict[str, Any] = {}  # noqa: RUF012


def node(class_type: str, **inputs: Any) -> Document:
    """A node of a prompt."""
    return {"class_type": class_type, "inputs": inputs}


def stage(latent: str, start: int, end: int, **more: Any) -> Document:
    """A stage of 20 steps that is as it should be, but for `more`."""
    given = {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": [latent, 0],
        "add_noise": "enable" if start == 0 else "disable", "noise_seed": 7, "steps": 20, "cfg": 2.0,
        "sampler_name": "euler", "scheduler": "karras", "start_at_step": start, "end_at_step": end,
        "return_with_leftover_noise": "enable" if end < 20 else "disable",
    }  # fmt: skip
    return node("KSamplerAdvanced", **{**given, **more})


def plain(latent: str, **more: Any) -> Document:
    """A KSampler."""
    given = {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": [latent, 0], "seed": 7,
        "steps": 20, "cfg": 2.0, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0,
    }  # fmt: skip
    return node("KSampler", **{**given, **more})


def made(**nodes: Document) -> Make:
    """A workflow with these nodes: `n6` is node 6, whose latent becomes the pictures."""

    def make(prompt: str) -> Document:
        found = {
            "1": node("CheckpointLoaderSimple", ckpt_name="weft-tiny.safetensors"),
            "2": node("CLIPTextEncode", text=prompt, clip=["1", 1]),
            "3": node("CLIPTextEncode", text="", clip=["1", 1]),
            "4": node("EmptyLatentImage", width=128, height=128, batch_size=4),
            "7": node("VAEDecode", samples=["6", 0], vae=["1", 2]),
            **{name.removeprefix("n"): each for name, each in nodes.items()},
        }
        return {key: _with(each, prompt) for key, each in found.items()}

    return make


def _with(each: Document, prompt: str) -> Document:
    """The node, whose texts have the prompt where it says PROMPT."""
    told = {
        name: value.replace("PROMPT", prompt) if isinstance(value, str) else value
        for name, value in each["inputs"].items()
    }
    return {**each, "inputs": told}


def stages(first: Document | None = None, then: Document | None = None, at: int = 8, **nodes: Document) -> Make:
    """Steps 0 to 8 and 8 to 20, or divided `at` another one, with inputs of either changed."""
    one, two = stage("4", 0, at), stage("5", at, 20)
    one["inputs"] |= first or {}
    two["inputs"] |= then or {}
    return made(n5=one, n6=two, **nodes)


def cases() -> Iterator[Case]:
    """What is measured, by rule."""
    right = stages()
    kept, gone = {"return_with_leftover_noise": "enable"}, {"return_with_leftover_noise": "disable"}
    noisy = {"add_noise": "enable"}
    ancestral = {"sampler_name": "euler_ancestral"}
    whole = made(n6=plain("4"))
    enlarged = node(
        "LatentUpscale", samples=["5", 0], upscale_method="bilinear", width=128, height=128, crop="disabled"
    )
    small = node("EmptyLatentImage", width=96, height=96, batch_size=4)
    mask = {
        "n10": node("SolidMask", value=0.0, width=128, height=128),
        "n11": node("SolidMask", value=1.0, width=64, height=128),
        "n12": node("MaskComposite", destination=["10", 0], source=["11", 0], x=0, y=0, operation="add"),
        "n13": node("SetLatentNoiseMask", samples=["14", 0], mask=["12", 0]),
        "n14": node("VAEEncode", pixels=["15", 0], vae=["1", 2]),
        "n15": node("VAEDecode", samples=["16", 0], vae=["1", 2]),
        "n16": plain("4", seed=3),
    }
    yield Case("S101", right, stages({}, {"start_at_step": 12}), True)
    yield Case("S102", right, stages({}, {"start_at_step": 2}))
    yield Case("S103", right, stages({}, {"steps": 30}))
    yield Case("S104", stages({"scheduler": "normal"}, {"scheduler": "normal"}), stages({"scheduler": "normal"}))
    continuous = {"sampling": "continuous"}
    two = {"sampler_name": "dpmpp_2m"}
    yield Case("S105", stages(two, two), stages(two, {"sampler_name": "ipndm"}), False, continuous)
    yield Case(
        "S106", stages(ancestral, ancestral), stages(ancestral, {**ancestral, "noise_seed": 8}), False, continuous
    )
    yield Case("S107", made(n6=stage("4", 0, 20, **ancestral)), stages(ancestral, ancestral))
    yield Case("S108", right, stages({}, {"start_at_step": 20}), False)
    yield Case("S109", right, stages({}, {"end_at_step": 25}))
    changed = node("ModelSamplingDiscrete", model=["1", 0], sampling="eps", zsnr=True)
    yield Case("S111", right, stages({}, {"model": ["9", 0]}, n9=changed))
    yield Case("N101", stages(at=3), stages(gone, at=3))
    yield Case("N102", right, stages({}, noisy), True)
    yield Case("N103", stages(at=3), stages(gone, noisy, at=3))
    second = {"n4": small, "n5": plain("4"), "n9": enlarged}
    yield Case("N104", made(**second, n6=plain("9", denoise=0.6)), made(**second, n6=plain("9")))
    yield Case(
        "N105",
        stages({"end_at_step": 5}, {"start_at_step": 5}),
        made(n5=stage("4", 0, 5), n6=plain("5", denoise=0.75)),
        True,
    )
    yield Case("N106", right, made(n6=stage("4", 0, 12, **kept)), True)
    yield Case("N107", right, made(n6=stage("4", 0, 20, add_noise="disable")), True)
    yield Case("N108", whole, made(n6=plain("4", denoise=0.7)))
    yield Case(
        "N109",
        made(**second, n6=plain("9", denoise=0.6)),
        made(n4=small, n5=stage("4", 0, 8), n9=enlarged, n6=stage("9", 8, 20)),
    )
    yield Case("N110", made(**mask, n6=plain("13")), made(**mask, n5=stage("13", 0, 8), n6=stage("5", 8, 20)), True)
    yield Case("L101", whole, made(n6=node("RepeatLatentBatch", samples=["4", 0], amount=1)), True)
    encoded = {"n9": node("VAEEncode", pixels=["15", 0], vae=["1", 2]), "n15": mask["n15"], "n16": mask["n16"]}
    yield Case("L102", made(**encoded, n6=plain("9", denoise=0.5)), made(**encoded, n6=plain("9")))
    none = {"n3": node("CLIPTextEncode", text="", clip=["1", 1])}
    other = {"n3": node("CLIPTextEncode", text="apple fish star rabbit", clip=["1", 1])}
    yield Case("P101", made(**none, n6=plain("4", cfg=1.0)), made(**other, n6=plain("4", cfg=1.0)))
    yield Case("P102", made(n6=plain("4", cfg=4.0)), made(n6=plain("4", cfg=4.0, negative=["2", 0])))
    yield Case("P103", whole, made(n6=plain("4", positive=["3", 0], negative=["2", 0])), True)
    given = {**stage("4", 0, 20)["inputs"], "clip": ["1", 1], "negative": "", "loras": ""}
    late = node("KSamplerPromptSchedule", **{**given, "positive": "[PROMPT:purple boat:20]"})
    yield Case("P104", whole, made(n6=late))
    never = node("ConditioningSetTimestepRange", conditioning=["2", 0], start=0.6, end=0.6)
    yield Case("P105", whole, made(n9=never, n6=plain("4", positive=["9", 0])))
    edited = node("KSamplerPromptSchedule", **{**given, "positive": "[purple boat:PROMPT:0.1]"})
    as_letters = node("CLIPTextEncode", text="[purple boat:PROMPT:0.1]", clip=["1", 1])
    yield Case("P106", made(n6=edited), made(n2=as_letters, n6=plain("4")))
    yield Case("P107", right, stages({}, {"positive": ["3", 0], "negative": ["2", 0]}))


def drawn(make: Make, cache: weft.MemoryCache, settings: dict[str, Any]) -> list[Tensor]:
    """The pictures of each prompt, [4,128,128,3] in 0..1."""
    found = []
    for colour, thing in PROMPTS:
        with tempfile.TemporaryDirectory() as output:
            options = {"models": WORKFLOWS / "models", "output": output, "device": "cpu", "cache": cache, **settings}
            found.append(weft.run(make(f"{colour} {thing}"), targets=["7"], **options)["7"][0])
    return found


def shown(judge: Any, pictures: list[Tensor]) -> int:
    """How many show the thing and the colour that were asked for."""
    count = 0
    for (colour, thing), images in zip(PROMPTS, pictures, strict=True):
        said = judge_images(judge, images)
        count += sum(said.thing(at) == thing and said.colour(at) == colour for at in range(len(images)))
    return count


def strip(name: str, right: list[Tensor], wrong: list[Tensor]) -> None:
    """Two pictures as they should be, and what the fault makes of them, in few colours: it is to be small."""
    gap = torch.ones(128, 8, 3)
    parts = [part for at in (0, 1) for part in (right[at][0], gap[:, :2], wrong[at][0], gap)]
    pixels = (torch.cat(parts[:-1], 1).clamp(0, 1) * 255).round().byte().numpy()
    picture = Image.fromarray(pixels).quantize(48, dither=Image.Dither.NONE)
    picture.save(IMAGES / f"lint-{name}.png", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codes", nargs="*")
    chosen = parser.parse_args().codes
    judge, cache = load_judge(), weft.MemoryCache()
    rows = []
    for case in cases():
        if chosen and case.code not in chosen:
            continue
        right, wrong = (drawn(make, cache, case.settings) for make in (case.right, case.wrong))
        distance = (torch.cat(right) - torch.cat(wrong)).square().mean((1, 2, 3)).sqrt().mean() * 255
        row = f"| {case.code} | {shown(judge, right)} | {shown(judge, wrong)} | {float(distance):.1f} |"
        print(row, flush=True)
        rows.append(row)
        if case.strip:
            strip(case.code, right, wrong)
    if not chosen:
        head = "| rule | shown, of 16 | with the fault | difference |\n| --- | --- | --- | --- |\n"
        page = PAGE.read_text()
        PAGE.write_text(TABLE.sub(lambda found: found[1] + "\n" + head + "\n".join(rows) + "\n" + found[2], page))


if __name__ == "__main__":
    main()
