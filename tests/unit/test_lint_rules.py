"""Every rule of `weft lint`: a workflow that it speaks of, and one that nearly is and of which it does not."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.lints import Document, codes, findings, node, plain, registry, stage, two_stages, workflow
from tests.unit import test_lint_families as of_families
from tests.unit import test_lint_flows as of_flows
from weft.engine.linting.findings import rules_of
from weft.engine.session import Session
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.lint.samplers import DRAW_NOISE, OWN_STEPS, SPLIT_EXACTLY

ROOT = Path(__file__).resolve().parents[2]
CONTINUOUS = {"sampling": "continuous"}


def custom(latent: str, sigmas: list[Any], noise: str = "RandomNoise", **more: Document) -> Document:
    """A SamplerCustomAdvanced in node 6, whose parts are nodes 20 to 23, and the schedule in node 24, split in 25."""
    return workflow(
        n20=node("RandomNoise", noise_seed=7),
        n21=node("DisableNoise"),
        n22=node("CFGGuider", model=["1", 0], positive=["2", 0], negative=["3", 0], cfg=2.0),
        n23=node("KSamplerSelect", sampler_name="euler"),
        n24=node("BasicScheduler", model=["1", 0], scheduler="karras", steps=20, denoise=1.0),
        n25=node("SplitSigmas", sigmas=["24", 0], step=8),
        n6=node(
            "SamplerCustomAdvanced",
            noise=["20" if noise == "RandomNoise" else "21", 0],
            guider=["22", 0],
            sampler=["23", 0],
            sigmas=sigmas,
            latent_image=[latent, 0],
        ),
        **more,
    )


def first_custom(**more: Any) -> Document:
    given = {
        "noise": ["20", 0],
        "guider": ["22", 0],
        "sampler": ["23", 0],
        "sigmas": ["25", 0],
        "latent_image": ["4", 0],
    }
    return node("SamplerCustomAdvanced", **{**given, **more})


def split_custom(noise: str, slot: int = 0, sigmas: Any = None) -> Document:
    found = custom("5", sigmas or ["25", 1], noise, n5=first_custom())
    found["6"]["inputs"]["latent_image"] = ["5", slot]
    return found


def split_at(step: int) -> Document:
    found = split_custom("DisableNoise")
    found["25"]["inputs"]["step"] = step
    return found


def decoding(**more: Any) -> Document:
    """A sampler of the Efficiency nodes in node 6, which decodes its latent itself."""
    given = {**stage("4", 0, 10_000)["inputs"], "preview_method": "none", "vae_decode": "true", **more}
    found = workflow(n6=node("KSampler Adv. (Efficient)", **given, optional_vae=["1", 2]))
    del found["7"]
    return found | {"8": node("SaveImage", images=["6", 5], filename_prefix="x")}


def resized(then: Document) -> Document:
    upscaled = node("LatentUpscaleBy", samples=["5", 0], upscale_method="bilinear", scale_by=1.5)
    return workflow(n5=stage("4", 0, 8), n9=upscaled, n6=then)


def masked(then: Document, first: Document) -> Document:
    return workflow(
        n10=node("LoadImage", image="x.png"),
        n11=node("SetLatentNoiseMask", samples=["4", 0], mask=["10", 1]),
        n5={**first, "inputs": {**first["inputs"], "latent_image": ["11", 0]}},
        n6=then,
    )


def picture(sampler: Document, **more: Document) -> Document:
    encoded = node("VAEEncode", pixels=["10", 0], vae=["1", 2])
    return workflow(n10=node("LoadImage", image="x.png"), n9=encoded, n6=sampler, **more)


def texts(positive: str = "red apple", negative: str = "blurry", sampler: Document | None = None) -> Document:
    found = workflow(n6=sampler or plain("4"))
    found["2"]["inputs"]["text"], found["3"]["inputs"]["text"] = positive, negative
    return found


def titled(positive: str, negative: str) -> Document:
    found = texts()
    found["2"]["_meta"], found["3"]["_meta"] = {"title": positive}, {"title": negative}
    return found


def scheduled(**more: Any) -> Document:
    given = stage("4", 0, 10_000)["inputs"]
    given = {**given, "clip": ["1", 1], "positive": "red [apple:rabbit:8]", "negative": "", "loras": ""}
    return workflow(n6=node("KSamplerPromptSchedule", **{**given, **more}))


def controlled(start: float, end: float, strength: float = 1.0) -> Document:
    found = workflow(n6=plain("4", positive=["12", 0], negative=["12", 1]))
    found["10"] = node("LoadImage", image="x.png")
    found["11"] = node("ControlNetLoader", control_net_name="c.safetensors")
    found["12"] = node(
        "ControlNetApplyAdvanced", positive=["2", 0], negative=["3", 0], control_net=["11", 0], image=["10", 0],
        strength=strength, start_percent=start, end_percent=end,
    )  # fmt: skip
    return found


def refined(step: int) -> Document:
    given = stage("4", 0, 20)["inputs"]
    names = ("noise_seed", "steps", "cfg", "sampler_name", "scheduler", "latent_image", "start_at_step")
    return workflow(
        n9=node("Pack SDXL Tuple"),
        n6=node(
            "KSampler SDXL (Eff.)", sdxl_tuple=["9", 0], refine_at_step=step, preview_method="none", vae_decode="false",
            **{name: given[name] for name in names},
        ),
    )  # fmt: skip


def shifted(one: float, other: float) -> Document:
    return two_stages(
        {"model": ["9", 0]},
        {"model": ["10", 0]},
        n9=node("ModelSamplingSD3", model=["1", 0], shift=one),
        n10=node("ModelSamplingSD3", model=["1", 0], shift=other),
    )


def sized(width: int, height: int) -> Document:
    return workflow(n4=node("EmptyLatentImage", width=width, height=height, batch_size=1), n6=plain("4"))


def twice(**more: Any) -> Document:
    decoded = node("VAEDecode", samples=["9", 0], vae=["1", 2])
    return workflow(n6=plain("4"), n9=plain("4", **more), n10=decoded, n11=node("PreviewImage", images=["10", 0]))


CUT = node("LatentFlip", samples=["6", 0], flip_method="x-axis: vertically")
LORA = node("LoraLoader", model=["1", 0], clip=["1", 1], lora_name="l", strength_model=1.0, strength_clip=1.0)
EARLY = {"return_with_leftover_noise": "disable"}
SEEN: list[tuple[str, Document, dict[str, Any]]] = [
    ("S101 6", two_stages({}, {"start_at_step": 9}), {}),
    ("S101 6", two_stages({}, {"start_at_step": ["13", 0]}, n13=node("PrimitiveInt", value=11)), {}),
    ("S102 6", two_stages({}, {"start_at_step": 6}), {}),
    ("S102 6", two_stages({"end_at_step": 10_000, **EARLY}), {}),
    ("S102 6", two_stages({"end_at_step": 10_000, **EARLY}, {"steps": 30, "start_at_step": 12}), {}),
    ("S103 6", two_stages({}, {"steps": 30}), {}),
    ("S104 6", two_stages({}, {"scheduler": "exponential"}), {}),
    ("S104 6", two_stages({}, {"scheduler": "exponential", "steps": 40, "start_at_step": 16}), {}),
    ("S104 6", split_custom("DisableNoise") | {"5": stage("4", 0, 8, scheduler="exponential")}, {}),
    ("S105 6", two_stages({}, {"sampler_name": "dpmpp_2m"}), CONTINUOUS),
    ("S106 6", two_stages({"sampler_name": "lcm"}, {"sampler_name": "lcm", "noise_seed": 8}), CONTINUOUS),
    ("S107 6", two_stages({"sampler_name": "lcm"}, {"sampler_name": "lcm"}), {}),
    ("S107 6", two_stages({"sampler_name": "dpm_fast"}, {"sampler_name": "dpm_fast"}), CONTINUOUS),
    ("S108 6", two_stages({}, {"start_at_step": 20}), {}),
    ("S108 6", two_stages({}, {"end_at_step": 8}), {}),
    ("S108 6", split_at(30), {}),
    ("S110 6", refined(20), {}),
    ("S111 6", shifted(5.0, 8.0), {}),
    ("S109 6", two_stages({}, {"end_at_step": 25}), {}),
    ("N101 5", two_stages(EARLY), {}),
    ("N101 5", split_custom("DisableNoise", slot=1), {}),
    ("N102 6", two_stages({}, {"add_noise": "enable"}), {}),
    ("N102 6", split_custom("RandomNoise"), {}),
    ("N102 6", workflow(n5=stage("4", 0, 8), n6=plain("5")), {}),
    ("N103 6", two_stages(EARLY, {"add_noise": "enable"}), {}),
    ("N104 6", workflow(n5=plain("4"), n6=plain("5")), {}),
    ("N104 6", two_stages(EARLY, {"add_noise": "enable", "start_at_step": 0}), {}),
    ("N105 6", workflow(n5=stage("4", 0, 5), n6=plain("5", denoise=0.75)), {}),
    ("N105 6", workflow(n5=stage("4", 0, 5, **EARLY), n6=plain("5", denoise=0.75)), {}),
    ("N106 6", two_stages({}, {"end_at_step": 15, "return_with_leftover_noise": "enable"}), {}),
    ("N106 6", custom("4", ["25", 0]), {}),
    ("N106 6", decoding(end_at_step=15, return_with_leftover_noise="enable"), {}),
    ("N107 6", workflow(n6=stage("4", 0, 20, add_noise="disable")), {}),
    ("N107 6", two_stages({}, {"latent_image": ["4", 0]}), {}),
    ("N107 6", custom("4", ["24", 0], "DisableNoise"), {}),
    ("N107 6", picture(stage("9", 0, 20, add_noise="disable")), {}),
    ("N108 6", workflow(n6=plain("4", denoise=0.7)), {}),
    ("N108 6", workflow(n6=stage("4", 4, 20, add_noise="enable")), {}),
    ("N109 9", resized(stage("9", 8, 20)), {}),
    ("N109 9", resized(stage("9", 8, 20, add_noise="enable")), {}),
    ("N110 6", masked(stage("5", 8, 20), stage("4", 0, 8)), {}),
    ("L101 7", workflow(n6=node("RepeatLatentBatch", samples=["4", 0], amount=2)), {}),
    ("L101 7", {**workflow(), "7": node("VAEDecode", samples=["4", 0], vae=["1", 2])}, {}),
    ("L102 6", picture(plain("9")), {}),
    ("P101 6", texts(sampler=plain("4", cfg=1.0)), {}),
    ("P102 6", texts(sampler=plain("4", negative=["2", 0])), {}),
    ("P103 6", titled("Negative Prompt", "Positive Prompt"), {}),
    ("P104 6", scheduled(positive="red [apple:rabbit:20]"), {}),
    ("P104 6", scheduled(loras="l.safetensors: 0, 1 from 30"), {}),
    ("P105 12", controlled(0.5, 0.5), {}),
    ("P106 2", texts("red [apple:rabbit:0.5]"), {}),
    ("P107 6", two_stages({}, {"positive": ["3", 0], "negative": ["2", 0]}), {}),
    ("L103 4", sized(516, 512), {}),
    ("G101 9", workflow(n6=plain("4"), n9=LORA), {}),
    ("G104 9", workflow(n6=plain("4"), n9=CUT), {}),
    ("G104 9", workflow(n6=plain("4"), n9=node("VAEDecode", samples=["6", 0], vae=["1", 2])), {}),
    ("G101 9", workflow(n6=plain("4"), n9=node("ConditioningZeroOut", conditioning=["2", 0])), {}),
    ("G102 9", twice(), {}),
    ("G103 10", picture(plain("9", denoise=0.5)) | {"10": node("LoadImage", image="/home/me/x.png")}, {}),
    ("G103 10", picture(plain("9", denoise=0.5)) | {"10": node("LoadImage", image="D:\\art\\x.png")}, {}),
]

UNSEEN: list[tuple[str, Document, dict[str, Any]]] = [
    ("S101 at the very step", two_stages(), {}),
    ("S101 noise again", two_stages(EARLY, {"start_at_step": 12, "add_noise": "enable"}), {}),
    ("S101 no constant", two_stages({}, {"start_at_step": ["13", 0]}, n13=node("GetImageSize", image=["7", 0])), {}),
    ("S103 the same share", two_stages({}, {"steps": 40, "start_at_step": 16}), {}),
    ("S104 another kind of sampler, the same schedule", split_custom("DisableNoise") | {"5": stage("4", 0, 8)}, {}),
    ("S108 no denoise", split_custom("DisableNoise", sigmas=["26", 0]) | {
        "26": node("BasicScheduler", model=["1", 0], scheduler="karras", steps=20, denoise=0.0)}, {}),
    ("L101 a sampler that decodes", decoding(), {}),
    ("S104 and S105 in comfy mode", two_stages({}, {"sampler_name": "heun"}), {}),
    ("S106 without noise on the way", two_stages({}, {"noise_seed": 8}), CONTINUOUS),
    ("S106 in comfy mode", two_stages({}, {"noise_seed": 8}), {}),
    ("S107 exact", two_stages({"sampler_name": "heun"}, {"sampler_name": "heun"}), {}),
    ("S107 continuous", two_stages({"sampler_name": "lcm"}, {"sampler_name": "lcm"}), CONTINUOUS),
    ("S109 the default", two_stages({}, {"end_at_step": 10_000}), {}),
    ("S109 the end itself", two_stages({}, {"end_at_step": 20}), {}),
    ("S110 none", refined(-1), {}),
    ("S110 in time", refined(16), {}),
    ("S111 the same shift", shifted(8.0, 8.000000000000002), {}),
    ("N106 something else goes on", two_stages({}, {"end_at_step": 15, "return_with_leftover_noise": "enable"},
        n9=node("LatentBlend", samples1=["6", 0], samples2=["4", 0], blend_factor=0.5),
        n10=node("SaveLatent", samples=["9", 0], filename_prefix="x")), {}),
    ("base and refiner", workflow(n5=stage("4", 0, 20, steps=25), n6=stage("5", 20, 10_000, steps=25)), {}),
    ("high noise, low noise", two_stages({"cfg": 3.5}, {"cfg": 4.0, "noise_seed": 0, "end_at_step": 10_000}), {}),
    ("a second pass", workflow(n5=plain("4"), n9=node("LatentUpscaleBy", samples=["5", 0], upscale_method="bilinear",
        scale_by=1.5), n6=plain("9", denoise=0.5)), {}),
    ("a second pass with Advanced", resized(stage("9", 10, 20, add_noise="enable")) | {"5": stage("4", 0, 20)}, {}),
    ("N101 the stage does all steps", two_stages({"end_at_step": 20, **EARLY}, {"start_at_step": 10, "add_noise":
        "enable"}), {}),
    ("N102 its prediction", split_custom("RandomNoise", slot=1), {}),
    ("split sigmas", split_custom("DisableNoise"), {}),
    ("N104 under a mask", masked(plain("5"), plain("4")), {}),
    ("N105 a finished stage", workflow(n5=plain("4"), n6=plain("5", denoise=0.75)), {}),
    ("N106 a look between", two_stages() | {"9": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
        "10": node("PreviewImage", images=["9", 0])}, {}),
    ("N107 noise of another kind", workflow(n9=node("LoadLatent", latent="x.latent"), n6=stage("9", 8, 20)), {}),
    ("N107 a picture is smoothed", picture(stage("9", 12, 20)), {}),
    ("N108 a picture", picture(plain("9", denoise=0.7)), {}),
    ("N110 one stage", masked(plain("5", denoise=0.5), plain("4")), {}),
    ("L102 a mask", picture(plain("11"), n11=node("SetLatentNoiseMask", samples=["9", 0], mask=["10", 1])), {}),
    ("L102 the prompt carries it", picture(plain("9", positive=["12", 0]), n12=node("ReferenceLatent",
        conditioning=["2", 0], latent=["9", 0])), {}),
    ("P101 no negative", texts(negative=" ", sampler=plain("4", cfg=1.0)), {}),
    ("P101 a sampler that uses it", texts(sampler=plain("4", cfg=1.0, sampler_name="euler_cfg_pp")), {}),
    ("P102 without guidance", texts(sampler=plain("4", cfg=1.0, negative=["2", 0])), {}),
    ("P103 as they say", titled("Positive", "Negative"), {}),
    ("P103 one says nothing", titled("no negative thoughts", "CLIP Text Encode"), {}),
    ("P104 the last step", scheduled(positive="red [apple:rabbit:19]", loras="l.safetensors: 0, 1 from 0.9"), {}),
    ("P105 a range", controlled(0.0, 0.4), {}),
    ("P105 off", controlled(1.0, 0.0, strength=0.0), {}),
    ("P106 read as one", texts("red [apple:rabbit:0.5]"), {"prompt_schedule": True}),
    ("P107 another prompt", two_stages({}, {"positive": ["3", 0], "negative": ["13", 0]}, n13=node("CLIPTextEncode",
        text="blue", clip=["1", 1])), {}),
    ("P106 no schedule", texts("a wide picture [ratio 16:9]"), {}),
    ("L103 a multiple", sized(520, 72), {}),
    ("L103 another node", workflow(n6=plain("9", denoise=0.5), n9=node("VAEEncode", vae=["1", 2], pixels=["10", 0]),
        n10=node("EmptyImage", width=516, height=512, batch_size=1, color=0)), {}),
    ("G104 taken by one that does not run", workflow(n6=plain("4"), n9=CUT, n10=node("VAEDecode", samples=["9", 0],
        vae=["1", 2]), n11=node("ImageInvert", image=["10", 0]), n12=node("SaveImage", images=["11", 0],
        filename_prefix="y")), {}),
    ("G104 a value that is spare", workflow(n6=plain("4"), n9=node("PrimitiveInt", value=3)), {}),
    ("G101 taken", workflow(n6=plain("4", model=["9", 0]), n9=LORA), {}),
    ("G101 a chain that ends in another", workflow(n6=plain("4"), n9=LORA, n10={**LORA, "inputs": {**LORA["inputs"],
        "model": ["77", 0], "clip": ["77", 1]}}) | {"9": {**LORA, "inputs": {**LORA["inputs"], "model": ["10", 0],
        "clip": ["10", 1]}}}, {}),
    ("G101 a loader that is spare", workflow(n6=plain("4"), n9=node("CheckpointLoaderSimple", ckpt_name="d")), {}),
    ("G102 another seed", twice(seed=8), {}),
    ("G103 a name, a text", picture(plain("9", denoise=0.5)) | {"10": node("LoadImage", image="sub/home/x.png")} |
        {"2": node("CLIPTextEncode", text="/imagine a: b/c, C:drive", clip=["1", 1])}, {}),
    ("P106 weights", texts("a [red] (apple:1.2), [a:b], \\[x:0.5\\]"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "document", "settings"), SEEN, ids=[each[0] for each in SEEN])
def test_a_rule_speaks(code: str, document: Document, settings: dict[str, Any]) -> None:
    assert codes(document, spare=code.startswith("G104"), **settings) == [code]


@pytest.mark.parametrize(("name", "document", "settings"), UNSEEN, ids=[each[0] for each in UNSEEN])
def test_no_rule_speaks_of_what_is_right(name: str, document: Document, settings: dict[str, Any]) -> None:
    assert codes(document, spare=name.startswith("G104"), **settings) == []


def test_every_rule_is_tried() -> None:
    # Those about model files have files, in test_lint_models.py.
    rules = {rule.code for rule in rules_of(registry().packs) if not rule.code.startswith("M")}
    assert {code.partition(" ")[0] for code, *_ in (*SEEN, *of_flows.SEEN, *of_families.TOLD)} >= rules


def test_two_faults_are_two_findings() -> None:
    assert codes(two_stages(EARLY, {"start_at_step": 10})) == ["N101 5", "S101 6"]
    assert codes(two_stages({}, {"add_noise": "enable", "steps": 30})) == ["N102 6"]


def test_what_no_output_needs_is_not_looked_at() -> None:
    lost = {
        "9": stage("5", 12, 20),
        "10": node("LatentUpscaleBy", samples=["9", 0], upscale_method="area", scale_by=2.0),
    }
    assert codes(two_stages() | lost) == []


def test_messages_name_both_nodes_and_say_what_helps() -> None:
    (found,) = findings(two_stages({}, {"start_at_step": 9}))
    assert str(found.issue) == (
        'node 6 "KSampler (Advanced)", input \'start_at_step\': starts at step 9, and node 5 "KSampler (Advanced)" '
        "ends at step 8: what these steps remove stays in (start_at_step 8)"
    )
    (found,) = findings(workflow(n5=stage("4", 0, 5), n6=plain("5", denoise=0.75)))
    assert "denoise 0.75 of 20 steps is steps 6 to 26 of 26" in found.issue.message
    assert "steps 20, start_at_step 5" in found.issue.hint


def test_efficiency_samplers_are_stages_too() -> None:
    more = {"preview_method": "none", "vae_decode": "false"}
    document = two_stages(more, {**more, "start_at_step": 12})
    for node_id in ("5", "6"):
        document[node_id]["class_type"] = "KSampler Adv. (Efficient)"
    document["6"]["inputs"]["latent_image"] = ["5", 3]
    document["7"]["inputs"]["samples"] = ["6", 3]
    assert codes(document) == ["S101 6"]


def test_what_is_not_known_is_no_finding() -> None:
    between = node("SomePack", samples=["5", 0])
    assert codes(two_stages({}, {"latent_image": ["9", 0], "start_at_step": 12}, n9=between)) == []
    broken = two_stages({"steps": "many", "end_at_step": [], "latent_image": ["77", 3]}, {"latent_image": ["6", 0]})
    assert codes(broken) == []
    assert codes({"1": node("VAEDecode", samples=["1", 0]), "2": node("SaveImage", images=["1", 5])}) == []


def test_whatever_inputs_hold_no_rule_fails() -> None:
    strange = [
        None,
        -1,
        0,
        2**70,
        1e308,
        float("nan"),
        True,
        "",
        "x",
        "[a:b",
        [],
        {},
        ["5", 0],
        ["6", 9],
        ["99", 0],
        [1],
    ]
    for number in range(300):
        rng = Random(number)
        document = deepcopy(rng.choice([each for _, each, _ in SEEN]))
        for each in rng.sample(list(document.values()), 3):
            for name in rng.sample(list(each["inputs"]), min(2, len(each["inputs"]))):
                each["inputs"][name] = rng.choice(strange)
        for found in findings(document, sampling=rng.choice(("comfy", "continuous"))):
            assert "has not looked" not in found.issue.message, (number, found.issue.message)
    assert codes(workflow(n6=plain("4", denoise=5e-324))) == []


def test_long_chains_are_looked_at() -> None:
    """A thousand stages, and as many nodes that only pass a latent on."""
    last = 1000
    nodes = {f"n{100 + at}": stage(str(99 + at) if at else "4", at, at + 1, steps=last) for at in range(last)}
    document = workflow(**nodes)
    document["7"]["inputs"]["samples"] = [str(99 + last), 0]
    assert codes(document) == []
    for at in range(last):
        document[f"p{at}"] = node("RepeatLatentBatch", samples=[f"p{at - 1}" if at else str(99 + last), 0], amount=1)
    document["7"]["inputs"]["samples"] = [f"p{last - 1}", 0]
    document[str(99 + last)]["inputs"] |= {"steps": last, "return_with_leftover_noise": "enable"}
    document["4"]["class_type"] = "LoadLatent"
    assert codes(document) == []
    document[str(99 + last)]["inputs"] |= {"start_at_step": last}
    assert codes(document) == [f"S108 {99 + last}"]


def test_samplers_are_sorted_as_the_table_has_them() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d.e+-]+) \| ([\d.e+-]+) \|$", (ROOT / "docs" / "sampling.md").read_text(), re.M)
    split = {name: float(comfy) for name, comfy, _ in rows}
    assert set(split) == set(SAMPLERS)
    assert {name for name, error in split.items() if error < 1e-5} == SPLIT_EXACTLY
    assert {name for name, error in split.items() if error > 1e-2} - OWN_STEPS == DRAW_NOISE


TUTORIAL = sorted(file for file in (ROOT / "workflows").glob("*.json") if ".golden" not in file.name)


@pytest.mark.parametrize("file", TUTORIAL, ids=lambda file: file.name)
def test_the_tutorial_has_no_finding_but_those_that_it_gives_a_reason_for(file: Path) -> None:
    session = Session()
    assert session.lint(session.read(file)) == []
    document = json.loads(file.read_text())
    if ".api" in file.name:
        return
    (note,) = (each["widgets_values"][0] for each in document["nodes"] if each["type"] == "Note")
    for each in document["nodes"]:
        for code in each["properties"].get("weft", {}).get("ignore", ()):
            assert re.search(rf"weft: ignore {code} nodes? [\d, ]*\b{each['id']}\b[\d, ]*: \w+", note)
