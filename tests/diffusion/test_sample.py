"""The KSampler path against ComfyUI's, and what it says to bad input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.noise import prepare_noise
from weft.nodes.diffusion.sampling.sample import Inpaint
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.spellings import UnknownSampler, UnknownScheduler
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from ..parity.quick import quick
from ..reference.store import goldens, units
from .ksampling import ksample

# One golden for each thing that the path does. The engine's parity test runs them all, and here they are quick where
# they are a long check there.
GOLDENS = [
    "adv_end1_full",
    "adv_end5_forcefull",
    "adv_end_beyond",
    "adv_end_eq_steps_left",
    "adv_mid_3_7_full_heun",
    "adv_mid_3_7_left_dpm_2",
    "adv_mid_3_7_left_dpmpp_2m",
    "adv_mid_3_7_left_euler_ancestral",
    "adv_promptswitch_dpmpp_2m",
    "adv_samplerswitch",
    "adv_split2_lms_normal",
    "adv_start5_nonoise",
    "adv_start9of10",
    "adv_start_ge_end",
    "cond_area_overlap",
    "cond_area_pct",
    "cond_combine3",
    "cond_mask_s05_mask",
    "cond_strength_noarea",
    "cond_trange_mid_only",
    "inp_mask_latent_adv",
    "inp_solid_half_batch2",
    "ks_ddim_karras",
    "ks_dpm_2_ancestral_karras",
    "ks_dpm_2_linear_quadratic",
    "ks_dpmpp_2m_ddim_uniform",
    "ks_dpmpp_2m_linear_quadratic",
    "ks_euler_ancestral_kl_optimal",
    "ks_euler_beta",
    "kv_batch2_dpm_2_ancestral",
    "kv_cfg0_euler",
    "kv_cfg1_dpmpp_2m",
    "kv_denoise0_euler",
    "kv_denoise0p75_euler",
    "kv_denoise05_lms",
    "kv_repeat_then_sample",
    "kv_seedmax_euler_ancestral",
    "kv_size72x64_euler",
    "kv_steps1_dpm_2",
    "kv_steps3_euler",
    "msd_vpred_dpmpp_2m_zsnr",
    "msd_vpred_euler_zsnr",
    "xl_batch2_wide",
    "xl_cfg1",
    "xl_img2img",
    "xl_sdxlnode",
]
TESTED_WITH_THE_ENGINE = quick(goldens("comfyui"))


@pytest.fixture(scope="module")
def checkpoints(parity: Path) -> dict[str, LoadedCheckpoint]:
    return {
        path.name: load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)
        for path in (parity / "models" / "checkpoints").glob("tiny_*.safetensors")
    }


@pytest.fixture(scope="module")
def tiny(checkpoints: dict[str, LoadedCheckpoint]) -> LoadedCheckpoint:
    return checkpoints["tiny_sd15.safetensors"]


def marked(conditioning: list[Any], **options: Any) -> list[Any]:
    return [[context, {**known, **options}] for context, known in conditioning]


def red(path: Path) -> Tensor:
    from PIL import Image

    with Image.open(path) as image:
        channel = image.convert("RGB").getchannel("R")
    return torch.tensor(list(channel.tobytes())).reshape(1, channel.height, channel.width) / 255.0


SIZES = ("width", "height", "crop_w", "crop_h", "target_width", "target_height")


def nodes(parity: Path, checkpoints: Mapping[str, LoadedCheckpoint]) -> dict[str, Callable[..., Any]]:
    """The node classes of GOLDENS, as far as their workflows use them; each gives its first output."""
    table = units("sigmas_vpred_zsnr")["model_sampling/sigmas"]
    return {
        "CheckpointLoaderSimple": lambda ckpt_name: checkpoints[ckpt_name],
        "ModelSamplingDiscrete": lambda model, sampling, zsnr: SimpleNamespace(
            model=ModelPatcher(model.model.network, model.model.kind, ModelSampling(table, sampling[0]))
        ),
        "CLIPTextEncode": lambda text, clip: clip.clip.encode(text),
        "CLIPTextEncodeSDXL": lambda clip, text_g, text_l, **sizes: marked(
            clip.clip.encode_each({"clip_l": text_l, "clip_g": text_g}), **{key: sizes[key] for key in SIZES}
        ),
        "EmptyLatentImage": lambda width, height, batch_size: {
            "samples": torch.zeros(batch_size, 4, height // 8, width // 8)
        },
        "LoadLatent": lambda latent: {"samples": load_file(parity / "input" / latent)["latent_tensor"].float()},
        "RepeatLatentBatch": lambda samples, amount: {"samples": samples["samples"].repeat(amount, 1, 1, 1)},
        "ConditioningCombine": lambda conditioning_1, conditioning_2: conditioning_1 + conditioning_2,
        "ConditioningSetArea": lambda conditioning, width, height, x, y, strength: marked(
            conditioning, area=(height // 8, width // 8, y // 8, x // 8), strength=strength
        ),
        "ConditioningSetAreaPercentage": lambda conditioning, width, height, x, y, strength: marked(
            conditioning, area=("percentage", height, width, y, x), strength=strength
        ),
        "ConditioningSetAreaStrength": lambda conditioning, strength: marked(conditioning, strength=strength),
        "ConditioningSetTimestepRange": lambda conditioning, start, end: marked(
            conditioning, start_percent=start, end_percent=end
        ),
        "ConditioningSetMask": lambda conditioning, mask, strength, set_cond_area: marked(
            conditioning, mask=mask, mask_strength=strength, set_area_to_bounds=set_cond_area != "default"
        ),
        "LoadImageMask": lambda image, channel: red(parity / "input" / image),
        "InvertMask": lambda mask: 1.0 - mask,
        "SolidMask": lambda value, width, height: torch.full((1, height, width), value),
        "SetLatentNoiseMask": lambda samples, mask: {**samples, "noise_mask": mask.reshape(-1, 1, *mask.shape[-2:])},
        "KSampler": lambda model, latent_image, sampler_name, **rest: ksample(
            model.model, latent_image, sampler=sampler_name, **rest
        ),
        "KSamplerAdvanced": lambda model, latent_image, sampler_name, noise_seed, add_noise, **rest: ksample(
            model.model,
            latent_image,
            sampler=sampler_name,
            seed=noise_seed,
            add_noise=add_noise == "enable",
            start=rest.pop("start_at_step"),
            end=rest.pop("end_at_step"),
            force_full_denoise=rest.pop("return_with_leftover_noise") == "disable",
            **rest,
        ),
    }


@pytest.mark.usefixtures("as_the_reference")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in TESTED_WITH_THE_ENGINE)) for name in GOLDENS]
)
def test_golden(parity: Path, checkpoints: dict[str, LoadedCheckpoint], name: str) -> None:
    golden = goldens("comfyui")[name]
    workflow = golden.prompt
    classes, done = nodes(parity, checkpoints), {}

    def output(node: str) -> Any:
        if node not in done:
            given = workflow[node]["inputs"]
            inputs = {key: output(value[0]) if isinstance(value, list) else value for key, value in given.items()}
            done[node] = classes[workflow[node]["class_type"]](**inputs)
        return done[node]

    limit = 3e-4 if "linear_quadratic" in name or "zsnr" in name else 1e-4
    for key, expected in golden.tensors.items():
        node, _, what = key.split(".")
        got = output(node)[what]
        assert (got.dtype, got.device.type) == (torch.float32, "cpu")
        difference = expected.difference(got)
        assert difference <= limit, f"{key}: {difference:.2e}"


class Network(nn.Module):
    """A small stand-in for a UNet: predicts no noise, or what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=8, addition_embed_type=None)
        self.outputs: dict[int, float] = {}
        self.calls = 0

    def forward(self, x: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
        self.calls += 1
        return (torch.full_like(x, self.outputs.get(self.calls - 1, 0.0)),)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def sampled(network: Network) -> Callable[..., dict[str, Any]]:
    model = SimpleNamespace(
        network=SimpleNamespace(module=lambda working: network, memory=None),
        kind=SimpleNamespace(denoiser=UNetDenoiser),
        pre_run=lambda: None,
        cleanup=lambda: None,
        model_options={},
        sampling=ModelSampling.discrete(),
        latent_format=LatentFormat(4, 8, 0.5),
        process_latent_in=lambda latent: latent * 0.5,
        process_latent_out=lambda latent: latent / 0.5,
    )

    def run(latent: Any = None, **changes: Any) -> dict[str, Any]:
        request = {
            "seed": 7,
            "steps": 6,
            "cfg": 1.0,
            "sampler": "euler",
            "scheduler": "karras",
            "positive": [[torch.zeros(1, 77, 8), {}]],
            "negative": [[torch.zeros(1, 77, 8), {}]],
        }
        latent = {"samples": torch.ones(1, 4, 5, 3)} if latent is None else latent
        return ksample(model, latent, **{**request, **changes})  # type: ignore[arg-type]  # a stand-in

    return run


def test_a_network_that_sees_no_noise_returns_what_it_got(sampled: Callable[..., Any]) -> None:
    latent = torch.randn(1, 4, 5, 3)
    got = sampled({"samples": latent}, denoise=0.5)["samples"]
    noise = prepare_noise(latent, 7)
    sigma = (got - latent).mean() / noise.mean() * 0.5
    assert torch.allclose(got, latent + noise * sigma / 0.5, atol=1e-4)
    assert torch.allclose(sampled({"samples": latent}, add_noise=False)["samples"], latent, atol=1e-6)


def test_the_latent_keeps_the_rest_and_is_not_written(sampled: Callable[..., Any]) -> None:
    mask = torch.ones(1, 40, 24)
    latent = {"samples": torch.ones(2, 4, 5, 3), "noise_mask": mask, "batch_index": [4, 1], "other": "kept"}
    got = sampled(latent)
    assert got.keys() == latent.keys()
    assert got["noise_mask"] is mask
    assert got["other"] == "kept"
    assert torch.equal(latent["samples"], torch.ones(2, 4, 5, 3))


def test_the_result_may_be_written(sampled: Callable[..., Any]) -> None:
    got = sampled()["samples"]
    assert not got.is_inference()
    got += 1


@pytest.mark.parametrize("request_", [{"denoise": 0.0}, {"end": 0}, {"start": 6}, {"start": 99}])
def test_nothing_to_do(sampled: Callable[..., Any], network: Network, request_: dict[str, Any]) -> None:
    latent = {"samples": torch.randn(1, 4, 5, 3)}
    got = sampled(latent, **request_)
    assert got["samples"] is latent["samples"]
    assert got is not latent
    assert network.calls == 0


def test_start_beyond_end_does_nothing(sampled: Callable[..., Any], network: Network) -> None:
    sampled(start=4, end=4)
    sampled(start=5, end=2)
    assert network.calls == 0
    sampled(start=4, end=5)
    assert network.calls == 1


def test_batch_index_chooses_the_noise(sampled: Callable[..., Any]) -> None:
    whole = sampled({"samples": torch.zeros(3, 4, 8, 8)})["samples"]
    part = sampled({"samples": torch.zeros(2, 4, 8, 8), "batch_index": [2, 0]})["samples"]
    assert torch.equal(part, whole[[2, 0]])


@pytest.mark.parametrize("sampler", [name for name, sampler in SAMPLERS.items() if not sampler.own_steps])
def test_callback_once_a_step(sampled: Callable[..., Any], sampler: str) -> None:
    seen = []
    sampled(sampler=sampler, callback=lambda *args: seen.append(args), start=2)
    assert [(step, total) for step, total, _, _ in seen] == [(i, 4) for i in range(4)]
    assert all(x.shape == denoised.shape == (1, 4, 5, 3) for _, _, x, denoised in seen)


def test_callback_may_stop_the_run(sampled: Callable[..., Any], network: Network) -> None:
    class Cancelled(Exception):
        pass

    def stop(step: int, total: int, x: Tensor, denoised: Tensor) -> None:
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        sampled(callback=stop)
    assert network.calls == 3
    assert not torch.is_inference_mode_enabled()
    sampled()


def test_what_the_mask_protects_is_kept(sampled: Callable[..., Any], network: Network) -> None:
    network.outputs = dict.fromkeys(range(6), 0.3)
    mask = torch.zeros(1, 5, 3)
    mask[..., 0] = 1.0
    latent = torch.randn(2, 4, 5, 3)
    free, kept = sampled({"samples": latent}), sampled({"samples": latent, "noise_mask": mask})
    assert torch.allclose(kept["samples"][..., 1:], latent[..., 1:], atol=1e-4)
    network.calls = 0
    assert not torch.allclose(free["samples"][..., 1:], latent[..., 1:], atol=1e-1)


def test_inpaint_sets_what_is_kept_before_and_after() -> None:
    latent, noise, x = (torch.randn(2, 4, 6, 6) for _ in range(3))
    mask = torch.rand(13, 17)
    sigma = torch.tensor(3.0)
    seen = []

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(x)
        return x * 0.5

    model.sampling = ModelSampling.discrete()  # type: ignore[attr-defined]  # a stand-in
    m = nn.functional.interpolate(mask[None, None], size=(6, 6), mode="bilinear")
    got = Inpaint(model, latent, noise, mask)(x, sigma)
    assert torch.allclose(seen[0], x * m + (latent + 3.0 * noise) * (1 - m), atol=1e-5)
    assert torch.allclose(got, seen[0] * 0.5 * m + latent * (1 - m), atol=1e-5)


def test_ddim_noises_what_is_kept_from_the_next_seed(sampled: Callable[..., Any], network: Network) -> None:
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    latent, sigma = torch.zeros(1, 4, 4, 4), ModelSampling.discrete().sigmas[-1]
    for sampler in ("euler", "ddim"):
        sampled({"samples": latent, "noise_mask": torch.zeros(1, 4, 4)}, sampler=sampler)
    scale = sigma / (1 + sigma**2) ** 0.5
    assert torch.allclose(seen[0], prepare_noise(latent, 7) * scale, atol=1e-6)
    assert torch.allclose(seen[6], prepare_noise(latent, 8) * scale, atol=1e-6)


def test_ddim_at_the_largest_seed(sampled: Callable[..., Any]) -> None:
    with pytest.raises(DiffusionError, match=r"from seed \+ 1, so the seed must be below 18446744073709551615"):
        sampled(sampler="ddim", seed=2**64 - 1)
    assert sampled(sampler="euler", seed=2**64 - 1)["samples"].isfinite().all()


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "lms"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_fails(sampled: Callable[..., Any], network: Network, sampler: str, value: float) -> None:
    network.outputs = {3: value}
    with pytest.raises(DiffusionError, match=r"the model gave NaN or infinity at step 3 of 6 \(steps count from 0\)"):
        sampled(sampler=sampler)


def test_a_latent_with_nan(sampled: Callable[..., Any]) -> None:
    with pytest.raises(DiffusionError, match="the latent to sample has NaN or infinity"):
        sampled({"samples": torch.full((1, 4, 5, 3), float("nan"))})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"steps": 0}, DiffusionError, "steps must be at least 1, got 0"),
        ({"seed": -1}, DiffusionError, r"seed must be in 0 \.\. 2\^64 - 1, got -1"),
        ({"seed": 2**64}, DiffusionError, "seed must be in"),
        ({"start": -1}, DiffusionError, "the start step must not be negative, got -1"),
        ({"end": -2}, DiffusionError, "the last step must not be negative, got -2"),
        ({"sampler": "eular"}, UnknownSampler, "unknown sampler 'eular'; did you mean 'euler'"),
        ({"scheduler": "nromal"}, UnknownScheduler, "unknown scheduler 'nromal'; did you mean 'normal'"),
        ({"scheduler": "kl_optimal", "steps": 1}, DiffusionError, "kl_optimal needs at least 2 steps"),
        (
            {"positive": [[torch.zeros(1, 77, 768), {}]]},
            DiffusionError,
            "positive conditioning, entry 0: its width is 768, the model's cross attention takes 8",
        ),
        (
            {"negative": [[torch.zeros(1, 77, 768), {}]]},
            DiffusionError,
            "negative conditioning, entry 0: its width is 768",
        ),
    ],
)
def test_bad_request(
    sampled: Callable[..., Any], network: Network, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sampled(**changes)
    assert network.calls == 0


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        ({}, "got NoneType"),
        ({"samples": torch.zeros(4, 5, 3)}, r"got \[4, 5, 3\]"),
        ({"samples": torch.zeros(0, 4, 5, 3)}, r"got \[0, 4, 5, 3\]"),
        ({"samples": torch.ones(1, 16, 5, 3)}, "the latent has 16 channels, the model takes 4"),
        ({"samples": torch.zeros(1, 4, 5, 3), "batch_index": [0, 1]}, "batch_index has 2 entries for a latent of 1"),
        ({"samples": torch.zeros(1, 4, 5, 3), "noise_mask": torch.zeros(7)}, r"a mask must be .* got \[7\]"),
    ],
)
def test_bad_latent(sampled: Callable[..., Any], network: Network, latent: dict[str, Any], message: str) -> None:
    with pytest.raises(DiffusionError, match=message):
        sampled(latent)
    assert network.calls == 0


def test_a_mask_of_any_size(sampled: Callable[..., Any]) -> None:
    for shape in ((1, 1), (13, 17), (1, 1, 200, 3), (7, 5, 3)):
        latent = {"samples": torch.ones(2, 4, 5, 3), "noise_mask": torch.ones(shape)}
        assert sampled(latent)["samples"].shape == (2, 4, 5, 3)
