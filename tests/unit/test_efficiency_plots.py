"""What stands beside a plot, and in which order its cells are made. No model is needed."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.errors import WeftError
from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.nodes.efficiency.axes.control import SETTINGS
from weft.nodes.efficiency.cells import Encoders, add_plot
from weft.nodes.efficiency.labels import labels_of, shortened
from weft.nodes.efficiency.sampling import Refiner, Sampling
from weft.nodes.efficiency.values import (
    NOTHING,
    XY,
    ControlNetUse,
    Dependencies,
    HighResFix,
    LoraUse,
    NoiseScript,
    Script,
    XYPlot,
)

USE = ControlNetUse(Link("k", 0), Link("i", 0), 0.5, 0.1, 0.9)


@pytest.mark.parametrize(
    ("kind", "value", "label"),
    [
        ("Seeds++ Batch", 2, "Seed: 102"),
        ("Steps", 20, "Steps: 20"),
        ("StartStep", 3, "StartStep: 3"),
        ("EndStep", 9, "EndStep: 9"),
        ("RefineStep", 8, "RefineStep: 8"),
        ("Refiner On/Off", 0.8, "Refiner: at 80%"),
        ("Refiner On/Off", 1, "Refiner: off"),
        ("AddNoise", "enable", "AddNoise: enable"),
        ("ReturnNoise", "disable", "ReturnNoise: disable"),
        ("CFG Scale", 7.123456, "CFG: 7.1235"),
        ("CFG Scale", 7, "CFG: 7"),
        ("Sampler", ("euler_ancestral", None), "euler_a"),
        ("Sampler", ("dpmpp_2m", "exponential"), "dpmpp_2m (exp)"),
        ("Scheduler", "sgm_uniform", "sgm_u"),
        ("Denoise", 0.5, "Denoise: 0.5"),
        ("VAE", "sub/fine.safetensors", "VAE: fine"),
        ("Positive Prompt S/R", ("red", None), "red"),
        ("Positive Prompt S/R", ("red", "blue"), "blue"),
        ("Negative Prompt S/R", ("red", "blue"), "(-) blue"),
        ("AScore+", 6.0, "+AScore: 6.0"),
        ("AScore-", 2.5, "-AScore: 2.5"),
        ("Checkpoint", ("a\\b.safetensors", None, None), "b"),
        ("Checkpoint", ("b.ckpt", -2, "v.pt"), "b, ClipSkip (-2), VAE: v"),
        ("Refiner", ("r.safetensors", None, None), "Refiner: r"),
        ("Clip Skip", -2, "ClipSkip (-2)"),
        ("Clip Skip (Refiner)", -2, "RefClipSkip (-2)"),
        ("LoRA", (LoraUse("l.safetensors", 1.0, 0.5),), "LoRA: l(1.0,0.5)"),
        ("LoRA Stacks", (LoraUse("l.pt", 1.0, 1.0), LoraUse("m.pt", 0.5, 0.5)), "LoRA: l(1.0,1.0), LoRA: m(0.5,0.5)"),
        ("LoRA Stacks", (), "no LoRA"),
        ("LoRA Batch", (LoraUse("l.safetensors", None, None),), "LoRA: l"),
        ("LoRA Wt", (LoraUse(None, 0.5, 0.5),), "LoRA Wt: 0.5"),
        ("LoRA MStr", (LoraUse(None, 0.5, None),), "LoRA MStr: 0.5"),
        ("LoRA CStr", (LoraUse(None, None, 0.25),), "LoRA CStr: 0.25"),
        ("ControlNetStrength", (USE,), "ControlNetStrength: 0.5"),
        ("ControlNetStart%", (USE,), "ControlNetStart%: 0.1"),
        ("ControlNetEnd%", (USE,), "ControlNetEnd%: 0.9"),
    ],
)
def test_labels(kind: str, value: Any, label: str) -> None:
    assert labels_of(XY(kind, (value,)), 100) == (label,)


def test_an_axis_that_is_not_there_has_no_labels() -> None:
    assert labels_of(NOTHING, 0) == ()


def test_long_labels_are_cut_in_progress() -> None:
    assert shortened("x" * 42) == "x" * 42
    assert shortened("x" * 43) == "x" * 39 + "..."


GIVEN = Dependencies(
    vae_name="Baked VAE",
    ckpt_name="base.safetensors",
    clip=Link("o", 5),
    clip_skip=-2,
    refiner_name="ref.safetensors",
    refiner_clip_skip=-2,
    positive="a red red cat",
    negative="bad",
    token_normalization="none",
    weight_interpretation="comfy",
    ascore=(6.0, 2.0),
    width=512,
    height=768,
    loras=(LoraUse("own.safetensors", 1.0, 1.0),),
    control_nets=(USE,),
)


def sampling(**given: Any) -> Sampling:
    links = {name: Link("o", slot) for slot, name in enumerate(("model", "positive", "negative", "latent", "vae"))}
    settings: dict[str, Any] = {
        "kind": "regular",
        "seed": 100,
        "steps": 4,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "decode": "true",
        "script": Script(),
    }
    return Sampling(**{**links, **settings, **given})


class Drawn:
    """The graph of a plot; `of(class_type)` are the inputs of its nodes of a class, in order."""

    def __init__(self, x: XY, y: XY = NOTHING, encoders: Encoders | None = None, **given: Any) -> None:
        self.graph = GraphBuilder("s.0.0.")
        plot = XYPlot(x, y, 0, "Horizontal", True, False, GIVEN)
        add_plot(self.graph, sampling(**given), plot, encoders or Encoders(GIVEN.clip))

    def of(self, class_type: str) -> list[dict[str, Any]]:
        return [node["inputs"] for node in self.graph.nodes.values() if node["class_type"] == class_type]

    def titles(self) -> list[str]:
        nodes = self.graph.nodes.values()
        return [node["_meta"]["title"] for node in nodes if node["class_type"].startswith("KSampler")]


CKPT = XY("Checkpoint", (("a.safetensors", None, None), ("b.safetensors", -1, "v.safetensors")))
LORAS = XY("LoRA", ((LoraUse("l.safetensors", 1.0, 1.0),), (LoraUse("m.safetensors", 1.0, 1.0),)))
VAES = XY("VAE", ("v.safetensors", "Baked VAE"))
STEPS = XY("Steps", (1, 2))


@pytest.mark.parametrize(
    ("x", "y", "slowest"),
    [
        (STEPS, XY("CFG Scale", (1.0, 2.0)), "y"),
        (CKPT, STEPS, "x"),
        (STEPS, CKPT, "y"),
        (CKPT, VAES, "x"),
        (VAES, CKPT, "y"),
        (VAES, LORAS, "y"),
        (LORAS, VAES, "x"),
        (LORAS, CKPT, "y"),
    ],
)
def test_what_costs_most_varies_slowest(x: XY, y: XY, slowest: str) -> None:
    """And the cells stand where they belong all the same: image_N is row by row."""
    drawn = Drawn(x, y)
    (collected,) = drawn.of("weft.CollectCells")
    made = [int(name.removeprefix("image_")) for name in collected if name.startswith("image_")]
    assert made == ([0, 2, 1, 3] if slowest == "x" else [0, 1, 2, 3])
    assert [title.split(" (")[0] for title in drawn.titles()] == [f"cell {number} of 4" for number in (1, 2, 3, 4)]


def test_cells_share_what_they_load_and_encode() -> None:
    drawn = Drawn(CKPT, STEPS)
    assert [item["ckpt_name"] for item in drawn.of("CheckpointLoaderSimple")] == ["a.safetensors", "b.safetensors"]
    assert [item["stop_at_clip_layer"] for item in drawn.of("CLIPSetLastLayer")] == [-2, -1]
    assert [item["lora_name"] for item in drawn.of("LoraLoader")] == ["own.safetensors"] * 2
    assert [item["vae_name"] for item in drawn.of("VAELoader")] == ["v.safetensors"]
    assert len(drawn.of("weft.EncodePrompt")) == 4
    assert len(drawn.of("ControlNetApplyAdvanced")) == 2
    assert [item["steps"] for item in drawn.of("KSampler")] == [1, 2, 1, 2]


def test_a_lora_axis_takes_the_place_of_the_loaders_loras() -> None:
    drawn = Drawn(LORAS)
    assert [item["lora_name"] for item in drawn.of("LoraLoader")] == ["l.safetensors", "m.safetensors"]
    assert not drawn.of("VAELoader"), "the VAE stays the sampler's"
    assert {item["vae"] for item in drawn.of("VAEDecode")} == {Link("o", 4)}


def test_two_axes_decide_one_lora() -> None:
    files = XY("LoRA Batch", tuple((LoraUse(name, None, None),) for name in ("a.pt", "b.pt")))
    weights = XY("LoRA Wt", tuple((LoraUse(None, weight, weight),) for weight in (0.5, 1.0)))
    loras = [(item["lora_name"], item["strength_model"]) for item in Drawn(files, weights).of("LoraLoader")]
    assert sorted(loras) == [("a.pt", 0.5), ("a.pt", 1.0), ("b.pt", 0.5), ("b.pt", 1.0)]
    assert [name for name, _ in loras] == ["a.pt", "a.pt", "b.pt", "b.pt"], "one file after the other"


def test_two_axes_decide_one_control_net() -> None:
    strengths = XY("ControlNetStrength", tuple((USE._replace(strength=value),) for value in (0.0, 1.0)))
    ends = XY("ControlNetEnd%", tuple((USE._replace(end_percent=value),) for value in (0.3, 0.6)))
    applied = Drawn(strengths, ends).of("ControlNetApplyAdvanced")
    pairs = [(item["strength"], item["end_percent"]) for item in applied]
    assert pairs == [(0.0, 0.3), (1.0, 0.3), (0.0, 0.6), (1.0, 0.6)]


def test_search_and_replace_on_both_axes() -> None:
    x = XY("Positive Prompt S/R", (("red", None), ("red", "blue")))
    y = XY("Positive Prompt S/R", (("red", None), ("blue", "green")))
    texts = [item["text"] for item in Drawn(x, y).of("weft.EncodePrompt") if item["text"] != "bad"]
    assert texts == ["a red red cat", "a blue red cat", "a green red cat"], "the last is Y's on what X has made"


def test_other_axes_load_and_encode_nothing() -> None:
    kinds: dict[str, tuple[Any, ...]] = {
        "Seeds++ Batch": (0, 1),
        "Sampler": (("heun", "karras"), ("lms", None)),
        "Scheduler": ("karras", "GITS"),
        "Denoise": (0.5, 0.0),
        "CFG Scale": (1.0, 2.0),
    }
    for kind, values in kinds.items():
        drawn = Drawn(XY(kind, values))
        assert {node["class_type"] for node in drawn.graph.nodes.values()} <= {
            "LatentFromBatch",
            "KSampler",
            "VAEDecode",
            "weft.CollectCells",
            "weft.DrawPlot",
        }
    assert [item["seed"] for item in Drawn(XY("Seeds++ Batch", (0, 1))).of("KSampler")] == [100, 101]
    samplers = [
        (item["sampler_name"], item["scheduler"]) for item in Drawn(XY("Sampler", kinds["Sampler"])).of("KSampler")
    ]
    assert samplers == [("heun", "karras"), ("lms", "normal")]
    assert len(Drawn(XY("Denoise", (0.5, 0.0))).of("KSampler")) == 1, "denoise 0 is the latent as it is"


def test_a_baked_vae_needs_to_know_its_checkpoint() -> None:
    graph, plot = GraphBuilder(""), XYPlot(VAES, NOTHING, 0, "Horizontal", True, False, None)
    with pytest.raises(WeftError, match="no checkpoint is known"):
        add_plot(graph, sampling(), plot, Encoders(None))


REFINED = {
    "kind": "sdxl",
    "steps": 10,
    "refine": 5,
    "refiner": Refiner(Link("o", 6), Link("o", 7), Link("o", 8)),
    "encoders": Encoders(Link("u", 1), Link("u", 5)),
}


def test_a_refiner_takes_over_at_its_step() -> None:
    drawn = Drawn(XY("Refiner On/Off", (0.8, 1)), STEPS, **REFINED)
    stretches = [(item["start_at_step"], item["end_at_step"], item["model"]) for item in drawn.of("KSamplerAdvanced")]
    base, refiner = Link("o", 0), Link("o", 6)
    assert stretches == [
        (0, 0, base), (0, 1, refiner), (0, 1, base), (0, 1, base), (1, 2, refiner), (0, 2, base)
    ]  # fmt: skip


def test_scores_and_refiners_are_the_refiners_affair() -> None:
    drawn = Drawn(XY("AScore+", (1.0, 9.0)), XY("AScore-", (2.0,)), **REFINED)
    assert not drawn.of("weft.EncodePrompt")
    assert [item["ascore"] for item in drawn.of("weft.EncodePromptRefiner")] == [1.0, 2.0, 9.0, 2.0]
    assert {item["clip"] for item in drawn.of("weft.EncodePromptRefiner")} == {Link("u", 5)}
    drawn = Drawn(XY("Refiner", (("other.safetensors", -1, None),)), **REFINED)
    assert [item["ckpt_name"] for item in drawn.of("CheckpointLoaderSimple")] == ["other.safetensors"]
    assert len({item["model"] for item in drawn.of("KSamplerAdvanced")}) == 2
    drawn = Drawn(XY("Clip Skip (Refiner)", (-1, -2)), **REFINED)
    assert [item["stop_at_clip_layer"] for item in drawn.of("CLIPSetLastLayer")] == [-1, -2]
    without = {**REFINED, "refiner": None}
    assert not Drawn(XY("AScore+", (1.0, 9.0)), **without).of("weft.EncodePromptRefiner")


def test_clip_skip_encodes_with_the_loaders_clip() -> None:
    drawn = Drawn(XY("Clip Skip", (-3, -1)))
    assert [(item["clip"], item["stop_at_clip_layer"]) for item in drawn.of("CLIPSetLastLayer")] == [
        (Link("o", 5), -3),
        (Link("o", 5), -1),
    ]
    assert not drawn.of("CheckpointLoaderSimple")


@pytest.mark.parametrize("kinds", [("Checkpoint", "Clip Skip"), ("Refiner", "Clip Skip (Refiner)")])
@pytest.mark.parametrize("flipped", [False, True])
def test_clip_skip_decides_beside_a_checkpoint_that_brings_one(kinds: tuple[str, str], flipped: bool) -> None:
    """On either side: else one of the two axes changes nothing."""
    axes = [XY(kinds[0], (("a.safetensors", -4, None),)), XY(kinds[1], (-2, -1))]
    drawn = Drawn(*(reversed(axes) if flipped else axes), **REFINED)
    assert [item["stop_at_clip_layer"] for item in drawn.of("CLIPSetLastLayer")] == [-2, -1]


@pytest.mark.parametrize("kind", ["Positive Prompt S/R", "Clip Skip"])
def test_without_a_clip_to_encode_with_it_is_loaded_as_the_loader_did(kind: str) -> None:
    """Eff. Loader SDXL gives no CLIP out; a sampler of a single model may have its unpacked tuple all the same."""
    values = (("cat", None), ("cat", "dog")) if kind.endswith("S/R") else (-2, -1)
    drawn = Drawn(XY(kind, values), encoders=Encoders(None))
    assert {item["ckpt_name"] for item in drawn.of("CheckpointLoaderSimple")} == {"base.safetensors"}
    assert {item["lora_name"] for item in drawn.of("LoraLoader")} == {"own.safetensors"}
    skips = [item["stop_at_clip_layer"] for item in drawn.of("CLIPSetLastLayer")]
    assert skips == ([-2] if kind.endswith("S/R") else [-2, -1])
    assert all(item["model"] == Link("o", 0) for item in drawn.of("KSampler")), "the sampler's own model"


def test_stretches_of_a_schedule_are_axes() -> None:
    values = {"StartStep": ("start_at_step", (1, 2)), "EndStep": ("end_at_step", (3, 4))}
    values |= {"AddNoise": ("add_noise", ("enable", "disable"))}
    values |= {"ReturnNoise": ("return_with_leftover_noise", ("enable", "disable"))}
    for kind, (name, expected) in values.items():
        inputs = Drawn(XY(kind, expected), kind="advanced").of("KSamplerAdvanced")
        assert tuple(item[name] for item in inputs) == expected
    assert [item["end_at_step"] for item in Drawn(XY("RefineStep", (3,)), **REFINED).of("KSamplerAdvanced")] == [3, 10]


def test_control_nets_are_put_on_what_is_encoded_anew() -> None:
    for kind in SETTINGS:
        (applied,) = Drawn(XY(kind, ((USE,),))).of("ControlNetApplyAdvanced")
        assert (applied["control_net"], applied["strength"]) == (Link("k", 0), 0.5)


def test_scripts_of_cells() -> None:
    fix = HighResFix("latent", None, "bislerp", "", 1.5, None, 3, 0.5, 2, None, 1.0, "_", False)
    noise = NoiseScript("nv", False, True, 5, 0.5)
    drawn = Drawn(STEPS, script=Script(noise=noise, hiresfix=fix))
    assert len(drawn.of("LatentUpscaleBy")) == 4
    assert {
        (item["rng_source"], item["variation_seed"], item["weight"]) for item in drawn.of("weft.NoiseKSampler")
    } == {("nv", 5, 0.5)}
