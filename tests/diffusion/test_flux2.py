"""FLUX.2 on small files of random weights: against diffusers' model, its key converter, and what its pipelines give."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
from diffusers.pipelines.flux2.pipeline_flux2 import Flux2Pipeline, compute_empirical_mu
from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in, release_meant, small_file
from weft.nodes.diffusion.families.flux2.kind import MU
from weft.nodes.diffusion.families.flux2.text import USE
from weft.nodes.diffusion.families.flux2.tiny import VAE
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
NAMES = {"dev": "flux2_dev_fp8mixed", "klein": "flux-2-klein-4b"}


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def file_of(folder: Path, kind: str, name: str) -> Path:
    tensors = small_file(kind, name, "flux2", Path())
    assert tensors is not None
    path = folder / f"{kind}_{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flux2")


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, ModelPatcher]:
    return {kind: load_unet(file_of(folder, "diffusion_models", name), **ON_CPU) for kind, name in NAMES.items()}


@pytest.mark.parametrize("kind", NAMES)
def test_weights_land_where_diffusers_puts_them(models: dict[str, ModelPatcher], kind: str) -> None:
    tensors = small_file("diffusion_models", NAMES[kind], "flux2", Path())
    assert tensors is not None
    expected = convert_flux2_transformer_checkpoint_to_diffusers(dict(tensors))
    found = dict(models[kind].network.module().named_parameters())
    assert found.keys() == expected.keys()
    for name, weight in found.items():
        assert torch.equal(weight, expected[name].float()), name
    assert release_in({key: tuple(value.shape) for key, value in tensors.items()}) == f"FLUX.2 {kind}"
    assert release_meant(NAMES[kind]) == "flux2"


@pytest.mark.parametrize("kind", NAMES)
def test_the_network_gives_what_diffusers_does(models: dict[str, ModelPatcher], kind: str) -> None:
    model, context, x = models[kind], noise(1, 6, 24), noise(1, 128, 3, 4)
    shown = [noise(1, 128, 2, 3), noise(1, 128, 4, 1)]
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    run: Any = SimpleNamespace(shape=x.shape, device=torch.device("cpu"))
    fed = denoiser.feed(context, {"reference_latents": shown, "guidance": 2.5}, "positive", run)
    with torch.inference_mode():
        denoised = denoiser(x, torch.tensor(0.7), fed.context, fed.added)
    peer: Any = model.network.module()
    assert isinstance(peer, Flux2Transformer2DModel)
    rows = [Flux2Pipeline._pack_latents(each) for each in (x, *shown)]
    ids = torch.cat([Flux2Pipeline._prepare_latent_ids(x), Flux2Pipeline._prepare_image_ids(shown)], dim=1)
    with torch.inference_mode():
        (made,) = peer(
            torch.cat(rows, dim=1), context, torch.tensor([0.7]), ids, Flux2Pipeline._prepare_text_ids(context),
            torch.tensor([2.5]), return_dict=False,
        )  # fmt: skip
    velocity = made[:, :12].permute(0, 2, 1).reshape(1, 128, 3, 4)
    torch.testing.assert_close(denoised, x - 0.7 * velocity)


def test_guidance_and_its_absence_change_dev_and_not_klein(models: dict[str, ModelPatcher]) -> None:
    for kind, differs in (("dev", True), ("klein", False)):
        given = [
            sampled(models[kind], prompt(**options))["samples"]
            for options in ({}, {"guidance": 4.0}, {"guidance": 1.0}, {"guidance": None})
        ]
        assert torch.equal(given[0], given[1])
        assert torch.equal(given[0], given[2]) is not differs
        assert torch.equal(given[2], given[3]) is not differs
    assert (models["dev"].kind.name, models["klein"].kind.name) == ("flux2", "flux2_klein")


@pytest.mark.parametrize("nested", [True, False])
def test_the_vae_gives_what_diffusers_does(folder: Path, nested: bool) -> None:
    tensors = small_file("vae", "flux2-vae", "flux2", Path())
    assert tensors is not None
    tensors |= {"bn.running_mean": noise(128), "bn.running_var": noise(128).square() + 0.5}
    tensors["bn.num_batches_tracked"] = torch.tensor(7)
    if not nested:
        # diffusers' and some others' files have these outside of the halves.
        moved = {key: key.replace("encoder.quant", "quant").replace("decoder.post", "post") for key in tensors}
        tensors = {moved[key]: value for key, value in tensors.items()}
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "vae.safetensors")
    vae = load_vae(folder / "vae.safetensors", **ON_CPU)
    assert (vae.latent_channels, vae.downscale) == (128, 16)
    peer: Any = AutoencoderKLFlux2(**VAE).eval()
    weights = dict(vae.network.module().named_parameters())
    statistics = {"bn.running_mean": weights.pop("latents_mean"), "bn.running_var": weights.pop("latents_variance")}
    peer.load_state_dict({**weights, **statistics, "bn.num_batches_tracked": torch.tensor(7)})
    pixels = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(1))
    pipeline: Any = SimpleNamespace(vae=peer, _patchify_latents=Flux2Pipeline._patchify_latents)
    with torch.inference_mode():
        expected = Flux2Pipeline._encode_vae_image(pipeline, pixels.movedim(-1, 1) * 2 - 1, None)
        latents = vae.encode(pixels)
        torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-5)
        deviation = (statistics["bn.running_var"] + 1e-4).sqrt().reshape(1, -1, 1, 1)
        spread = latents * deviation + statistics["bn.running_mean"].reshape(1, -1, 1, 1)
        image = peer.decode(Flux2Pipeline._unpatchify_latents(spread), return_dict=False)[0]
    torch.testing.assert_close(vae.decode(latents), (image / 2 + 0.5).clamp(0, 1).movedim(1, -1), rtol=1e-4, atol=1e-5)


def test_a_prompt_is_three_layers_of_qwen_side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.nodes.diffusion.text.qwen.encode", lambda text: [ord(letter) for letter in text])
    clip = load_clip([file_of(folder, "text_encoders", "qwen_3_4b")], "flux2", **ON_CPU)
    [[rows, options]] = clip.encode("a cat")
    assert rows.shape == (1, 512, 24)
    assert options == {}
    encoder: Any = clip.encoders[0]
    chat = USE.template.replace("{}", "a cat")
    tokens = torch.full((1, 512), 151643)
    tokens[0, : len(chat)] = torch.tensor([ord(letter) for letter in chat])

    class Tokenizer:
        def apply_chat_template(self, messages: Any, **options: Any) -> str:
            assert messages == [{"role": "user", "content": "a cat"}]
            assert options["enable_thinking"] is False
            return chat

        def __call__(self, text: str, **options: Any) -> dict[str, Tensor]:
            return {"input_ids": tokens, "attention_mask": (tokens != 151643).long()}

    with torch.inference_mode():
        expected = Flux2KleinPipeline._get_qwen3_prompt_embeds(_Model(encoder.network.module()), Tokenizer(), "a cat")
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-5)


class _Model:
    """As much of a text encoder as diffusers' pipeline asks."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, **inputs: Any) -> Any:
        return self._network(**inputs)

    def modules(self) -> Any:
        return iter(())


def prompt(**options: Any) -> list[Any]:
    return [[noise(1, 6, 24), options]]


def sampled(model: ModelPatcher, positive: list[Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": positive, "negative": positive, **changes,
    }  # fmt: skip
    return ksample(model, {"samples": torch.zeros(1, 128, 3, 2)}, **settings)


@pytest.mark.parametrize("kind", NAMES)
def test_two_stages_are_the_single_run_bit_for_bit(models: dict[str, ModelPatcher], kind: str) -> None:
    given = prompt(reference_latents=[noise(1, 128, 2, 2)])
    settings: dict[str, Any] = {"sampler": "dpmpp_2m_sde", "mode": "continuous"}
    whole = sampled(models[kind], given, **settings)["samples"]
    first = sampled(models[kind], given, end=2, **settings)
    stage: dict[str, Any] = {"seed": 3, "cfg": 1.0, "steps": 4, "scheduler": "simple", "start": 2, "add_noise": False}
    second = ksample(models[kind], first, positive=given, negative=given, **stage, **settings)["samples"]
    assert torch.equal(second, whole)


def test_its_schedule_is_that_of_fifty_steps() -> None:
    assert pytest.approx(compute_empirical_mu(4096, 50), abs=0.005) == MU


def test_wrong_input_says_what_was_expected(models: dict[str, ModelPatcher], folder: Path) -> None:
    with pytest.raises(DiffusionError, match="is 'uxo', FLUX.2 klein reads pictures by index"):
        sampled(models["klein"], prompt(reference_latents=[noise(1, 128, 2, 2)], reference_latents_method="uxo"))
    with pytest.raises(DiffusionError, match="16 channels, the model takes 128"):
        sampled(models["klein"], prompt(reference_latents=[noise(1, 16, 2, 2)]))
    with pytest.raises(DiffusionError, match="its width is 8, FLUX.2 dev reads 24: .*of another model family"):
        sampled(models["dev"], [[noise(1, 6, 8), {}]])
    tensors = small_file("text_encoders", "qwen_3_4b", "flux2", Path())
    assert tensors is not None
    mistral = {key: value for key, value in tensors.items() if "_norm.weight" not in key or "self_attn" not in key}
    save_file(mistral, folder / "mistral.safetensors")
    with pytest.raises(CheckpointError, match=r"of type 'flux2' are qwen3_4b, got a language model that is no Qwen"):
        load_clip([folder / "mistral.safetensors"], "flux2", **ON_CPU)
