"""The Efficiency samplers against core nodes, their scripts against wired graphs, and XY plots against single runs.

On random weights, and on the tiny checkpoint of the reference where LoRAs or ControlNets are wanted. Unless a test says
otherwise, what is compared is equal bit for bit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine import events
from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache, Entry
from weft.engine.errors import InvalidWorkflow, NodeError
from weft.engine.events import Event
from weft.engine.running.result import RunResult
from weft.engine.schema.registry import Registry
from weft.nodes.diffusion.sampling.samplers import SAMPLERS

CHECKPOINT, REFERENCE = "weft-tiny.safetensors", "tiny_sd15.safetensors"
UPSCALER = "tiny_x4.safetensors"
LORAS = ("tiny_lora_kohya.safetensors", "tiny_locon.safetensors")
LATENT, IMAGE = 3, 5

Prompt = dict[str, dict[str, Any]]


class Loaded(MemoryCache):
    """Keeps what loaders and encoders gave, and nothing that was sampled: each sampler computes for itself."""

    def put(self, key: bytes, entry: Entry) -> None:
        if not any(isinstance(value, dict) or torch.is_tensor(value) for value in entry.outputs):
            super().put(key, entry)


class Runner:
    """Runs workflows on the tiny models, remembering what nodes did."""

    def __init__(self, parity: Path, random_models: Path, output: Path) -> None:
        self.models = [random_models, parity / "models"]
        self.parity, self.output = parity, output
        self.registry = Registry.discover()
        self.loaded: Cache = Loaded()
        self.events: list[Event] = []

    def __call__(self, prompt: Prompt, *targets: str, cache: Cache | None = None, mode: str = "comfy") -> RunResult:
        self.events = []
        return weft.run(
            prompt,
            models=self.models,
            input=self.parity / "input",
            output=self.output,
            device="cpu",
            sampling=mode,
            targets=targets,
            cache=self.loaded if cache is None else cache,
            registry=self.registry,
            observers=[self.events.append],
        )

    def started(self) -> list[events.NodeStarted]:
        return [event for event in self.events if isinstance(event, events.NodeStarted)]

    def counts(self) -> Counter[str]:
        """How often each class was called."""
        return Counter(event.class_type for event in self.started())


@pytest.fixture(scope="module")
def run(parity: Path, random_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(parity, random_models, tmp_path_factory.mktemp("output"))


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def core(**sampler: Any) -> Prompt:
    """Checkpoint, prompts, a noisy latent and a core sampler "s", decoded by "d"."""
    advanced = "add_noise" in sampler
    return {
        "c": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "p": node("CLIPTextEncode", clip=["c", 1], text="a (red:1.3) cat"),
        "n": node("CLIPTextEncode", clip=["c", 1], text="blurry"),
        "l": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "s": node(
            "KSamplerAdvanced" if advanced else "KSampler",
            model=["c", 0],
            positive=["p", 0],
            negative=["n", 0],
            latent_image=["l", 0],
            **sampler,
        ),
        "d": node("VAEDecode", samples=["s", 0], vae=["c", 2]),
    }


REGULAR = {"seed": 7, "steps": 4, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
ADVANCED = {
    "add_noise": "enable",
    "noise_seed": 7,
    "steps": 4,
    "cfg": 7.0,
    "sampler_name": "euler",
    "scheduler": "normal",
    "start_at_step": 0,
    "end_at_step": 10_000,
    "return_with_leftover_noise": "disable",
}


def efficient(prompt: Prompt, **given: Any) -> Prompt:
    """The same with an Efficient sampler "s" in the place of the core one."""
    before = prompt["s"]
    advanced = before["class_type"] == "KSamplerAdvanced"
    shown = {"preview_method": "none", "vae_decode": "true", "optional_vae": ["c", 2]}
    inputs = {**before["inputs"], **shown, **given}
    made = node("KSampler Adv. (Efficient)" if advanced else "KSampler (Efficient)", **inputs)
    if inputs["optional_vae"] is None:
        del made["inputs"]["optional_vae"]
    return {**{node_id: item for node_id, item in prompt.items() if node_id != "d"}, "s": made}


def scripted(script: dict[str, Any], decode: str = "true", **sampler: Any) -> Prompt:
    """A regular Efficient sampler "s" with a script "x"."""
    prompt = efficient(core(**{**REGULAR, **sampler}), script=["x", 0], vae_decode=decode)
    return {**prompt, "x": script}


def hires(**given: Any) -> dict[str, Any]:
    defaults = {
        "upscale_type": "latent",
        "hires_ckpt_name": "(use same)",
        "latent_upscaler": "bilinear",
        "pixel_upscaler": UPSCALER,
        "upscale_by": 1.25,
        "use_same_seed": True,
        "seed": 0,
        "hires_steps": 3,
        "denoise": 0.5,
        "iterations": 1,
        "use_controlnet": False,
        "control_net_name": "tiny_controlnet.safetensors",
        "strength": 1.0,
        "preprocessor": "_",
        "preprocessor_imgs": False,
    }
    return node("HighRes-Fix Script", **{**defaults, **given})


def of_the_reference(prompt: Prompt) -> Prompt:
    """The same with the checkpoint that the reference's LoRAs and ControlNets are for."""
    for item in prompt.values():
        if "ckpt_name" in item["inputs"]:
            item["inputs"]["ckpt_name"] = REFERENCE
    return prompt


def same(first: Any, second: Any) -> bool:
    """Whether two latents, or two pictures, are equal bit for bit."""
    first, second = (item["samples"] if isinstance(item, dict) else item for item in (first, second))
    return torch.equal(first, second)


# Samplers: equal to the core ones


STRETCHES = list(
    itertools.product(("enable", "disable"), ("enable", "disable"), ((0, 10_000), (0, 2), (1, 3), (2, 10_000)))
)


def check_stretch(run: Runner, stretch: Any, sampler: str, mode: str) -> None:
    add_noise, leftover, (start, end) = stretch
    settings = {
        **ADVANCED,
        "sampler_name": sampler,
        "add_noise": add_noise,
        "return_with_leftover_noise": leftover,
        "start_at_step": start,
        "end_at_step": end,
    }
    prompt = core(**settings)
    expected = run(prompt, "s", "d", mode=mode)
    result = run(efficient(prompt), "s", mode=mode)
    assert same(result["s"][LATENT], expected["s"][0])
    assert same(result["s"][IMAGE], expected["d"][0])
    assert result["s"][LATENT].keys() == expected["s"][0].keys()


@pytest.mark.parametrize("stretch", STRETCHES)
def test_advanced_equals_core(stretch: Any, run: Runner) -> None:
    """Conformance 1."""
    check_stretch(run, stretch, "euler", "comfy")


@pytest.mark.parametrize("mode", ["comfy", "continuous"])
@pytest.mark.parametrize("sampler", ["dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde"])
def test_advanced_equals_core_in_both_modes(sampler: str, mode: str, run: Runner) -> None:
    check_stretch(run, ("enable", "enable", (1, 3)), sampler, mode)


@pytest.mark.slow
@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("mode", ["comfy", "continuous"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_advanced_equals_core_everywhere(sampler: str, mode: str, stretch: Any, run: Runner) -> None:
    check_stretch(run, stretch, sampler, mode)


def check_regular(run: Runner, sampler: str, mode: str, denoise: float) -> None:
    prompt = core(**{**REGULAR, "sampler_name": sampler, "denoise": denoise})
    expected = run(prompt, "s", "d", mode=mode)
    result = run(efficient(prompt), "s", mode=mode)
    assert same(result["s"][LATENT], expected["s"][0])
    assert same(result["s"][IMAGE], expected["d"][0])


@pytest.mark.parametrize("mode", ["comfy", "continuous"])
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_sde"])
def test_regular_equals_core(sampler: str, mode: str, run: Runner) -> None:
    check_regular(run, sampler, mode, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("denoise", [1.0, 0.4])
@pytest.mark.parametrize("mode", ["comfy", "continuous"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_regular_equals_core_everywhere(sampler: str, mode: str, denoise: float, run: Runner) -> None:
    check_regular(run, sampler, mode, denoise)


def test_stages_divide_as_core_stages_do(run: Runner) -> None:
    """In continuous mode two Adv. (Efficient) add up to one: the state travels on the latent."""
    whole = efficient(core(**{**ADVANCED, "sampler_name": "dpmpp_2m"}))
    first = {**ADVANCED, "sampler_name": "dpmpp_2m", "end_at_step": 2, "return_with_leftover_noise": "enable"}
    parts = efficient(core(**first))
    second = {**parts["s"]["inputs"], "add_noise": "disable", "start_at_step": 2, "end_at_step": 10_000}
    parts["t"] = node(
        "KSampler Adv. (Efficient)", **{**second, "latent_image": ["s", 3], "return_with_leftover_noise": "disable"}
    )
    expected = run(whole, "s", mode="continuous")["s"][LATENT]
    assert same(run(parts, "t", mode="continuous")["t"][LATENT], expected)


def test_denoise_0_changes_nothing(run: Runner) -> None:
    """Conformance 2."""
    prompt = efficient(core(**{**REGULAR, "denoise": 0.0}))
    latent = run(prompt, "s", "l")
    assert same(latent["s"][LATENT], latent["l"][0])
    assert latent["s"][IMAGE].shape == (1, 64, 64, 3)


@pytest.mark.parametrize("decode", ["true", "true (tiled)", "false", "output only", "output only (tiled)"])
def test_without_a_vae_nothing_is_decoded(decode: str, run: Runner) -> None:
    """Conformance 3."""
    result = run(efficient(core(**ADVANCED), vae_decode=decode, optional_vae=None, preview_method="auto"), "s")
    assert torch.equal(result["s"][IMAGE], torch.zeros(1, 1, 1, 4))
    assert result["s"][4] is None
    assert not result.ui
    assert [message[:22] for _, message in result.warnings] == ([] if decode == "false" else ["no VAE is connected: n"])


def test_tiled_decoding_is_that_of_320_pixels(run: Runner) -> None:
    """Conformance 4: on a picture larger than a tile."""
    prompt = core(**{**REGULAR, "steps": 1})
    prompt["l"]["inputs"].update(width=384, height=64)
    tiles = {"tile_size": 320, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}
    wired = {**prompt, "d": node("VAEDecodeTiled", samples=["s", 0], vae=["c", 2], **tiles)}
    expected = run(wired, "d")["d"][0]
    assert same(run(efficient(prompt, vae_decode="true (tiled)"), "s")["s"][IMAGE], expected)
    assert not same(run(prompt, "d")["d"][0], expected)


@pytest.mark.parametrize(
    ("preview", "decode", "shown"),
    [
        ("auto", "true", True),
        ("vae_decoded_only", "true", True),
        ("none", "true", False),
        ("auto", "false", False),
        ("vae_decoded_only", "false", False),
    ],
)
def test_what_is_shown(preview: str, decode: str, shown: bool, run: Runner) -> None:
    result = run(efficient(core(**REGULAR), preview_method=preview, vae_decode=decode), "s")
    assert bool(result.ui.get("s")) == shown
    assert [file.suffix for file in result.previews] == ([".png"] if shown else [])


def test_what_is_passed_on_is_what_was_given(run: Runner) -> None:
    result = run(efficient(core(**REGULAR)), "s", "c", "p", "n")
    assert result["s"][:3] == (result["c"][0], result["p"][0], result["n"][0])
    assert result["s"][4] is result["c"][2]


# Scripts: equal to the same graph wired from core nodes


def second_pass(prompt: Prompt, size: str, number: int, source: str) -> None:
    """Add an upscaling `u` and a sampling `h` of it, as the script does."""
    prompt[f"u{number}"] = node("LatentUpscaleBy", samples=[source, 0], upscale_method=size, scale_by=1.25)
    inputs = {**prompt["s"]["inputs"], "latent_image": [f"u{number}", 0], "steps": 3, "denoise": 0.5}
    prompt[f"h{number}"] = node("KSampler", **inputs)


def test_hires_latent_twice(run: Runner) -> None:
    """Conformance 5: two iterations enlarge twice."""
    prompt = core(**REGULAR)
    second_pass(prompt, "bilinear", 1, "s")
    second_pass(prompt, "bilinear", 2, "h1")
    prompt["d"]["inputs"]["samples"] = ["h2", 0]
    expected = run(prompt, "h2", "d")
    result = run(scripted(hires(iterations=2)), "s")
    assert expected["h2"][0]["samples"].shape[-2:] == (12, 12)
    assert same(result["s"][LATENT], expected["h2"][0])
    assert same(result["s"][IMAGE], expected["d"][0])
    assert run.counts()["LatentUpscaleBy"] == 2


def enlarged(prompt: Prompt, factor: float) -> None:
    """Add the upscaling `r` of the decoded picture by a x4 model."""
    prompt["m"] = node("UpscaleModelLoader", model_name=UPSCALER)
    prompt["u"] = node("ImageUpscaleWithModel", upscale_model=["m", 0], image=["d", 0])
    prompt["r"] = node("ImageScaleBy", image=["u", 0], upscale_method="nearest-exact", scale_by=factor / 4)


def test_hires_pixel_leaves_the_latent(run: Runner) -> None:
    """Conformance 6."""
    prompt = core(**REGULAR)
    enlarged(prompt, 1.5)
    expected = run(prompt, "s", "r")
    for decode in ("true", "false"):
        result = run(scripted(hires(upscale_type="pixel", upscale_by=1.5), decode), "s")
        assert same(result["s"][LATENT], expected["s"][0])
        assert same(result["s"][IMAGE], expected["r"][0])
        assert result["s"][IMAGE].shape == (1, 96, 96, 3)


def test_hires_both(run: Runner) -> None:
    prompt = core(**REGULAR)
    enlarged(prompt, 1.5)
    prompt["e"] = node("VAEEncode", pixels=["r", 0], vae=["c", 2])
    inputs = {**prompt["s"]["inputs"], "latent_image": ["e", 0], "steps": 3, "denoise": 0.5, "seed": 99}
    prompt["h"] = node("KSampler", **inputs)
    expected = run(prompt, "h")["h"][0]
    script = hires(upscale_type="both", upscale_by=1.5, use_same_seed=False, seed=99)
    assert same(run(scripted(script), "s")["s"][LATENT], expected)


def test_hires_with_a_control_net(run: Runner) -> None:
    """The second pass follows the first one's picture; what the sampler gives out does not."""
    prompt = of_the_reference(core(**REGULAR))
    prompt["k"] = node("ControlNetLoader", control_net_name="tiny_controlnet.safetensors")
    prompt["a"] = node("ControlNetApply", conditioning=["p", 0], control_net=["k", 0], image=["d", 0], strength=0.7)
    second_pass(prompt, "bilinear", 1, "s")
    prompt["h1"]["inputs"]["positive"] = ["a", 0]
    expected = run(prompt, "h1", "d")
    script = hires(use_controlnet=True, strength=0.7, preprocessor="none")
    result = run(of_the_reference(scripted(script)), "s", "p")
    assert same(result["s"][LATENT], expected["h1"][0])
    assert result["s"][1] == result["p"][0]
    script["inputs"]["preprocessor_imgs"] = True
    assert same(run(of_the_reference(scripted(script)), "s")["s"][IMAGE], expected["d"][0])


def tiled(**given: Any) -> dict[str, Any]:
    defaults = {
        "upscale_by": 5.0,
        "tile_size": 256,
        "tiling_strategy": "simple",
        "tiling_steps": 2,
        "seed": 5,
        "denoise": 0.5,
        "use_controlnet": False,
        "tile_controlnet": "tiny_controlnet.safetensors",
        "strength": 1.0,
    }
    return node("Tiled Upscaler Script", **{**defaults, **given})


def test_tiled_upscaling_of_one_tile_is_a_plain_second_pass(run: Runner) -> None:
    """A tile as large as the picture leaves img2img with KSampler's schedule."""
    prompt = core(**REGULAR)
    prompt["r"] = node("ImageScaleBy", image=["d", 0], upscale_method="nearest-exact", scale_by=2.0)
    prompt["e"] = node("VAEEncode", pixels=["r", 0], vae=["c", 2])
    inputs = {**prompt["s"]["inputs"], "latent_image": ["e", 0], "steps": 2, "denoise": 0.5, "seed": 5}
    prompt["h"] = node("KSampler", **inputs)
    expected = run(prompt, "h")["h"][0]["samples"]
    got = run(scripted(tiled(upscale_by=2.0)), "s")["s"][LATENT]["samples"]
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_the_strength_of_tiled_upscaling_counts(run: Runner) -> None:
    """The original ignores it."""
    cache = MemoryCache()

    def upscaled(**given: Any) -> Any:
        prompt = of_the_reference(scripted(tiled(upscale_by=2.0, tiling_steps=1, **given), decode="false", steps=1))
        return run(prompt, "s", cache=cache)["s"][LATENT]

    none, half, whole = (upscaled(use_controlnet=True, strength=strength) for strength in (0.0, 0.5, 1.0))
    assert same(none, upscaled())
    assert not same(half, whole)


def test_noise_from_the_cpu_is_the_plain_run(run: Runner) -> None:
    script = {"cfg_denoiser": False, "add_seed_noise": False, "seed": 0, "weight": 0.0}
    plain = run(core(**REGULAR), "s")["s"][0]
    assert same(run(scripted(node("Noise Control Script", rng_source="cpu", **script)), "s")["s"][LATENT], plain)
    assert run.counts()["KSampler"] == 1
    assert not same(run(scripted(node("Noise Control Script", rng_source="nv", **script)), "s")["s"][LATENT], plain)


def test_a_script_that_is_gone_leaves_nothing_behind(run: Runner) -> None:
    """Conformance 10: one cache for a run with scripts, one with fewer, one with none."""
    cache = MemoryCache()
    noise = node("Noise Control Script", rng_source="nv", cfg_denoiser=False, add_seed_noise=False, seed=0, weight=0.0)
    both = scripted({**hires(), "inputs": {**hires()["inputs"], "script": ["y", 0]}})
    both["y"] = noise
    run(both, "s", cache=cache)
    only_noise = {**both, "s": {**both["s"], "inputs": {**both["s"]["inputs"], "script": ["y", 0]}}}
    result = run(only_noise, "s", cache=cache)
    assert result["s"][LATENT]["samples"].shape[-2:] == (8, 8)
    assert same(result["s"][LATENT], run(scripted(noise), "s")["s"][LATENT])
    assert run.counts()["weft.NoiseKSampler"] == 1
    plain = run(efficient(core(**REGULAR)), "s", cache=cache)["s"][LATENT]
    assert same(plain, run(core(**REGULAR), "s")["s"][0])


def test_a_change_of_the_script_runs_the_script_alone(run: Runner) -> None:
    cache = MemoryCache()
    run(scripted(hires()), "s", cache=cache)
    result = run(scripted(hires(denoise=0.7)), "s", cache=cache)
    assert run.counts() == {
        "HighRes-Fix Script": 1,
        "KSampler (Efficient)": 1,
        "KSampler": 1,
        "VAEDecode": 1,
    }
    assert [event.title for event in run.started() if event.class_type == "KSampler"] == ["hires pass"]
    assert same(result["s"][LATENT], run(scripted(hires(denoise=0.7)), "s")["s"][LATENT])


WARM: dict[str, Callable[[Prompt], None]] = {
    "vae_decode": lambda prompt: prompt["s"]["inputs"].update(vae_decode="true (tiled)"),
    "the VAE": lambda prompt: prompt.update(
        {
            "v": node("VAELoader", vae_name="tiny_vae.safetensors"),
            "s": {**prompt["s"], "inputs": {**prompt["s"]["inputs"], "optional_vae": ["v", 0]}},
        }
    ),
    "the area of a condition": lambda prompt: prompt.update(
        {
            "a": node(
                "ConditioningSetArea", conditioning=["p", 0], width=64, height=64, x=32, y=0, strength=1.0
            ),
            "s": {**prompt["s"], "inputs": {**prompt["s"]["inputs"], "positive": ["a", 0]}},
        }
    ),
    "the mask": lambda prompt: prompt.update(
        {
            "k": node("SolidMask", value=0.5, width=64, height=64),
            "j": node("SetLatentNoiseMask", samples=["l", 0], mask=["k", 0]),
            "s": {**prompt["s"], "inputs": {**prompt["s"]["inputs"], "latent_image": ["j", 0]}},
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", WARM)
def test_a_warm_run_is_a_cold_run(change: str, run: Runner) -> None:
    """Where the original's cache gives the old result."""
    cache = MemoryCache()
    prompt = efficient(core(**{**REGULAR, "denoise": 0.8}))
    before = run(prompt, "s", cache=cache)
    WARM[change](prompt)
    after, cold = run(prompt, "s", cache=cache), run(prompt, "s")
    assert same(after["s"][LATENT], cold["s"][LATENT])
    assert same(after["s"][IMAGE], cold["s"][IMAGE])
    changed = [not same(after["s"][slot], before["s"][slot]) for slot in (LATENT, IMAGE)]
    # One tile holds the whole picture: there the numbers are the same.
    assert any(changed) or change == "vae_decode"


def test_a_missing_vae_is_named(run: Runner) -> None:
    prompt = scripted(hires(upscale_type="both"))
    del prompt["s"]["inputs"]["optional_vae"]
    with pytest.raises(NodeError, match="the HighRes-Fix Script works on pictures, and there is no VAE"):
        run(prompt, "s")


def test_a_script_of_another_kind_is_refused(run: Runner) -> None:
    prompt = efficient(core(**REGULAR), script=["l", 0])
    with pytest.raises(InvalidWorkflow, match=r"received_type\(LATENT\) mismatch input_type\(SCRIPT\)"):
        run(prompt, "s")


# Loaders


def loader(**given: Any) -> dict[str, Any]:
    defaults = {
        "ckpt_name": CHECKPOINT,
        "vae_name": "Baked VAE",
        "clip_skip": -1,
        "lora_name": "None",
        "lora_model_strength": 1.0,
        "lora_clip_strength": 1.0,
        "positive": "a red cat",
        "negative": "blurry",
        "token_normalization": "none",
        "weight_interpretation": "comfy",
        "empty_latent_width": 64,
        "empty_latent_height": 64,
        "batch_size": 1,
    }
    return node("Efficient Loader", **{**defaults, **given})


def plot(x: dict[str, Any] | None, y: dict[str, Any] | None = None, **given: Any) -> Prompt:
    """Loader "o", axes "X" and "Y", plot "q" and sampler "s"."""
    options = {
        "grid_spacing": 0,
        "XY_flip": "False",
        "Y_label_orientation": "Horizontal",
        "cache_models": "True",
        "ksampler_output_image": "Images",
    }
    axes = {name: axis for name, axis in (("X", x), ("Y", y)) if axis is not None}
    links = {name: [name, 0] for name in axes}
    given = {"optional_vae": ["o", 4], "vae_decode": "true", "preview_method": "none", **REGULAR, "steps": 2, **given}
    sources = {"model": ["o", 0], "positive": ["o", 1], "negative": ["o", 2], "latent_image": ["o", 3]}
    options |= {name: given.pop(name) for name in list(given) if name in options}
    return {
        "o": loader(),
        **axes,
        "q": node("XY Plot", dependencies=["o", 6], **options, **links),
        "s": node("KSampler (Efficient)", script=["q", 0], **sources, **given),
    }


def plain(**given: Any) -> Prompt:
    """The sampler of `plot` without a plot."""
    prompt = plot(None, **given)
    del prompt["q"], prompt["s"]["inputs"]["script"]
    return prompt


def cfg(first: float, last: float, count: int) -> dict[str, Any]:
    return node("XY Input: CFG Scale", batch_count=count, first_cfg=first, last_cfg=last)


def steps(first: int, last: int, count: int) -> dict[str, Any]:
    ends = {"first_step": first, "last_step": last, "first_start_step": 0, "last_start_step": 1}
    ends |= {"first_end_step": 1, "last_end_step": 2, "first_refine_step": 1, "last_refine_step": 2}
    return node("XY Input: Steps", target_parameter="steps", batch_count=count, **ends)


def manual(kind: str, value: str) -> dict[str, Any]:
    return node("XY Input: Manual XY Entry", plot_type=kind, plot_value=value)


def cells(result: RunResult) -> list[torch.Tensor]:
    return list(result["s"][LATENT]["samples"].split(1))


def test_the_loras_are_applied_in_their_order(run: Runner) -> None:
    """Conformance 12: the loader's own, then those of the stack."""
    stacked = {
        f"{name}_1": value
        for name, value in zip(
            ("lora_name", "lora_wt", "model_str", "clip_str"), (LORAS[1], 0.6, 1.0, 1.0), strict=True
        )
    }
    prompt = plain()
    prompt["o"] = loader(lora_name=LORAS[0], lora_model_strength=0.8, lora_clip_strength=0.7, lora_stack=["k", 0])
    prompt["k"] = node("LoRA Stacker", input_mode="simple", lora_count=1, **stacked)
    wired = core(**{**REGULAR, "steps": 2})
    wired["p"]["inputs"]["text"] = "a red cat"
    source: list[Any] = ["c", 0, 1]
    for number, (lora, model_strength, clip_strength) in enumerate([(LORAS[0], 0.8, 0.7), (LORAS[1], 0.6, 0.6)]):
        strengths = {"strength_model": model_strength, "strength_clip": clip_strength}
        links = {"model": [source[0], 0], "clip": [source[0], 1]}
        wired[f"k{number}"] = node("LoraLoader", lora_name=lora, **strengths, **links)
        source = [f"k{number}"]
    wired["p"]["inputs"]["clip"] = wired["n"]["inputs"]["clip"] = ["k1", 1]
    wired["s"]["inputs"]["model"] = ["k1", 0]
    assert same(run(of_the_reference(prompt), "s")["s"][LATENT], run(of_the_reference(wired), "s")["s"][0])


# XY plots


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often the diffusion model was evaluated, and a checkpoint file read."""
    import weft.nodes.diffusion.weights.checkpoint
    from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser

    counts: Counter[str] = Counter()
    evaluate, load = UNetDenoiser.__call__, weft.nodes.diffusion.weights.checkpoint.load_checkpoint

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        counts["model"] += 1
        return evaluate(self, *arguments, **options)

    def counted_load(*arguments: Any, **options: Any) -> Any:
        counts["load"] += 1
        return load(*arguments, **options)

    monkeypatch.setattr(UNetDenoiser, "__call__", counted)
    monkeypatch.setattr(weft.nodes.diffusion.weights.checkpoint, "load_checkpoint", counted_load)
    yield counts


def test_a_plot_computes_nothing_twice(run: Runner, evaluations: Counter[str]) -> None:
    """5 x 5 over CFG, in a run that keeps no cache: 25 cells, 15 of them distinct."""
    from weft.engine.cache.protocol import NoCache

    result = run(plot(manual("CFG Scale", "3;5;5;7;7"), steps(1, 5, 5)), "s", cache=NoCache())
    counts = run.counts()
    assert result["s"][IMAGE].shape[0] == 25
    assert (evaluations["load"], counts["CheckpointLoaderSimple"], counts["weft.EncodePrompt"]) == (1, 1, 2)
    assert counts["KSampler"] == 15
    # A step of CFG evaluates both sides in one batch.
    assert evaluations["model"] == 3 * (1 + 2 + 3 + 4 + 5)
    first, second, third = cells(result)[:3]
    assert same(second, third)
    assert not same(first, second)


def test_a_cell_is_the_plain_run(run: Runner) -> None:
    result = run(plot(cfg(3, 7, 2), steps(1, 3, 2)), "s")
    for place, (count, scale) in enumerate(itertools.product((1, 3), (3.0, 7.0))):
        alone = run(plain(steps=count, cfg=scale), "s")
        assert same(cells(result)[place], alone["s"][LATENT])
        assert same(result["s"][IMAGE][place : place + 1], alone["s"][IMAGE])


def test_seeds_follow_the_samplers(run: Runner) -> None:
    """Conformance 9."""
    result = run(plot(node("XY Input: Seeds++ Batch", batch_count=3)), "s")
    for place, cell in enumerate(cells(result)):
        assert same(cell, run(plain(seed=7 + place), "s")["s"][LATENT])


def test_the_first_cell_of_search_and_replace_is_the_prompt(run: Runner) -> None:
    """Conformance 8; the second has the first occurrence replaced."""
    result = run(plot(manual("Positive Prompt S/R", "red;blue")), "s")
    assert same(cells(result)[0], run(plain(), "s")["s"][LATENT])
    other = plain()
    other["o"] = loader(positive="a blue cat")
    assert same(cells(result)[1], run(other, "s")["s"][LATENT])


def test_only_the_first_of_a_batch_is_used(run: Runner) -> None:
    prompt = plot(cfg(3, 7, 2))
    expected = run(prompt, "s")
    prompt["o"] = loader(batch_size=3)
    assert same(run(prompt, "s")["s"][LATENT], expected["s"][LATENT])


def test_a_flip_turns_the_grid(run: Runner) -> None:
    upright = run(plot(cfg(3, 7, 2), steps(1, 3, 3)), "s")
    flipped = run(plot(cfg(3, 7, 2), steps(1, 3, 3), XY_flip="True"), "s")
    turned = torch.stack(cells(upright)).reshape(3, 2, -1).transpose(0, 1).flatten(0, 1)
    assert torch.equal(torch.stack(cells(flipped)).reshape(6, -1), turned)


def test_models_are_switched_as_seldom_as_possible(run: Runner) -> None:
    """Checkpoints run across, but are made one after the other; progress tells the cell."""
    from weft.engine.cache.protocol import NoCache

    checkpoints = manual("Checkpoint", f"{CHECKPOINT};tiny_sdxl.safetensors")
    run(plot(checkpoints, cfg(3, 7, 3)), "s", cache=NoCache())
    titles = [event.title for event in run.started() if event.class_type == "KSampler"]
    names = ("weft-tiny", "tiny_sdxl")
    cells = enumerate(itertools.product(names, ("3.0", "5.0", "7.0")), 1)
    assert titles == [f"cell {number} of 6 ({name}, CFG: {scale}): sample" for number, (name, scale) in cells]
    # The loader's is let go of before the axis asks for it again: this run keeps no cache.
    assert run.counts()["CheckpointLoaderSimple"] == 3


def test_scripts_run_in_every_cell(run: Runner) -> None:
    prompt = plot(cfg(3, 7, 2))
    prompt["x"] = hires()
    prompt["x"]["inputs"]["script"] = ["q", 0]
    prompt["s"]["inputs"]["script"] = ["x", 0]
    result = run(prompt, "s")
    alone = plain(cfg=7.0)
    alone["x"] = hires()
    alone["s"]["inputs"]["script"] = ["x", 0]
    assert same(cells(result)[1], run(alone, "s")["s"][LATENT])
    assert result["s"][IMAGE].shape == (2, 80, 80, 3)


def test_the_plot_is_shown_and_may_be_the_image(run: Runner) -> None:
    result = run(plot(cfg(3, 7, 2), steps(1, 3, 2), ksampler_output_image="Plot", vae_decode="false"), "s")
    (height, width, channels) = result["s"][IMAGE].shape[1:]
    assert height > 128
    assert width > 128
    assert channels == 4
    assert len(result.ui["s"]["images"]) == len(result.previews) == 1
    assert len(cells(result)) == 4


def test_a_plot_is_cached_cell_by_cell(run: Runner) -> None:
    cache = MemoryCache()
    run(plot(cfg(3, 7, 3)), "s", cache=cache)
    run(plot(cfg(3, 9, 4)), "s", cache=cache)
    assert run.counts()["KSampler"] == 1, "3, 5 and 7 are there"
    run(plot(cfg(3, 9, 4)), "s", cache=cache)
    assert not run.started()


def test_sdxl_varies_what_is_its_own(run: Runner) -> None:
    """Refiner on and off, and a score that only the refiner is told; the base serves as refiner."""
    prompt = {
        "o": node(
            "Eff. Loader SDXL",
            base_ckpt_name="tiny_sdxl.safetensors",
            base_clip_skip=-2,
            refiner_ckpt_name="tiny_sdxl.safetensors",
            refiner_clip_skip=-2,
            positive_ascore=6.0,
            negative_ascore=2.0,
            vae_name="Baked VAE",
            positive="a red cat",
            negative="blurry",
            token_normalization="none",
            weight_interpretation="comfy",
            empty_latent_width=64,
            empty_latent_height=64,
            batch_size=1,
        ),
        "s": node(
            "KSampler SDXL (Eff.)",
            sdxl_tuple=["o", 0],
            noise_seed=7,
            steps=4,
            cfg=7.0,
            sampler_name="euler",
            scheduler="normal",
            latent_image=["o", 1],
            start_at_step=0,
            refine_at_step=2,
            preview_method="none",
            vae_decode="true",
            optional_vae=["o", 2],
        ),
    }
    refined = run(prompt, "s")["s"][1]
    assert run.counts()["KSamplerAdvanced"] == 2
    prompt["s"]["inputs"]["refine_at_step"] = -1
    base = run(prompt, "s")["s"][1]
    assert run.counts()["KSamplerAdvanced"] == 1
    prompt["o"]["inputs"]["refiner_ckpt_name"] = "None"
    prompt["s"]["inputs"]["refine_at_step"] = 2
    assert same(run(prompt, "s")["s"][1], base), "without a refiner the base finishes: no noise is left"
    prompt["o"]["inputs"]["refiner_ckpt_name"] = "tiny_sdxl.safetensors"
    prompt["X"] = node("XY Input: Refiner On/Off", refine_at_percent=0.5)
    options = {"XY_flip": "False", "Y_label_orientation": "Vertical", "cache_models": "True", "grid_spacing": 5}
    prompt["q"] = node("XY Plot", dependencies=["o", 3], X=["X", 0], ksampler_output_image="Images", **options)
    prompt["s"]["inputs"]["script"] = ["q", 0]
    on, off = run(prompt, "s")["s"][1]["samples"].split(1)
    assert same(on, refined)
    assert same(off, base)


def test_a_seed_beyond_the_last_is_an_error(run: Runner) -> None:
    prompt = plot(cfg(3, 7, 2))
    prompt["s"]["inputs"]["seed"] = 2**64 - 1
    prompt["X"] = node("XY Input: Seeds++ Batch", batch_count=2)
    with pytest.raises(NodeError, match="seed"):
        run(prompt, "s")


def test_cells_of_two_sizes_are_refused() -> None:
    from weft.nodes.efficiency.pictures import CollectCells

    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    pictures = {"image_0": torch.zeros(1, 64, 64, 3), "image_1": torch.zeros(1, 64, 96, 3)}
    message = "the cells of a plot must be of one size: 96 x 64 pixels for b, d, 64 x 64 pixels for the first"
    with pytest.raises(Exception, match=message):
        CollectCells(x_labels=("a", "b"), y_labels=("d",), latent_0=latent, latent_1=latent, **pictures)
