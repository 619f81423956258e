"""FLUX.3 on small files of random weights: against diffusers' model, its key converter, and what its blocks give."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import Flux3Transformer2DModel
from diffusers.loaders.single_file_utils import convert_flux3_transformer_checkpoint_to_diffusers
from diffusers.modular_pipelines.flux3 import before_denoise, encoders
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from weft.nodes.core.boxes import Flux3LayoutPrompt
from weft.nodes.core.family_conditioning import ReferenceMultiLatent
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in, release_meant, small_file
from weft.nodes.diffusion.families.flux3.kind import SHIFT
from weft.nodes.diffusion.families.flux3.text import USE
from weft.nodes.diffusion.sampling.gathering import Gathering, NetworkCall
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen_vision import PICTURE, SIGHT_OF_VL3
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
NAMES = {"base": "flux3-image-klein-base-int8-convrot", "distilled": "flux3-image-klein-int8-convrot"}
WIDTH = 8 * len(USE.layers)


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def file_of(folder: Path, kind: str, name: str) -> Path:
    tensors = small_file(kind, name, "flux3", Path())
    assert tensors is not None
    path = folder / f"{kind}_{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flux3")


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, ModelPatcher]:
    return {kind: load_unet(file_of(folder, "diffusion_models", name), **ON_CPU) for kind, name in NAMES.items()}


@pytest.mark.parametrize("kind", NAMES)
def test_weights_land_where_diffusers_puts_them(models: dict[str, ModelPatcher], kind: str) -> None:
    tensors = small_file("diffusion_models", NAMES[kind], "flux3", Path())
    assert tensors is not None
    expected = convert_flux3_transformer_checkpoint_to_diffusers(dict(tensors))
    found = dict(models[kind].network.module().named_parameters())
    assert found.keys() == expected.keys()
    for name, weight in found.items():
        assert torch.equal(weight, expected[name].float()), name
    title = "FLUX.3 klein base" if kind == "base" else "FLUX.3 klein"
    assert release_in({key: tuple(value.shape) for key, value in tensors.items()}) == models[kind].kind.title == title
    assert release_meant(NAMES[kind]) == "flux3"


def made_by_diffusers(
    network: Any, x: Tensor, context: Tensor, shown: list[Tensor], sigma: float, target: float | None
) -> Tensor:
    """The velocity that diffusers' blocks lay out and its network gives, of a latent [1,128,H,W]."""
    assert isinstance(network, Flux3Transformer2DModel)
    state = SimpleNamespace(image_cond_latents=shown, dtype=torch.float32)
    step: Any = before_denoise.Flux3PrepareImageCondLatentsStep()
    step.get_block_state, step.set_block_state = lambda _: state, lambda *_: None
    given: dict[str, Any] = {}
    if shown:
        step(SimpleNamespace(_execution_device=torch.device("cpu")), None)
        given = {"image_cond_hidden_states": state.image_cond_hidden_states, "image_cond_ids": state.image_cond_ids}
    if target is not None:
        given["target_timestep"] = torch.tensor([target])
    height, width = x.shape[-2:]
    with torch.inference_mode():
        (made,) = network(
            x.flatten(2).transpose(1, 2),
            context,
            torch.tensor([sigma]),
            img_ids=before_denoise._prepare_image_ids(height, width, 0.5),
            txt_ids=before_denoise.Flux3TextRoPEInputsStep._prepare_text_ids(context),
            return_dict=False,
            **given,
        )
    return made.transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("pictures", [0, 1, 2])
def test_the_network_gives_what_diffusers_does(models: dict[str, ModelPatcher], kind: str, pictures: int) -> None:
    model, context, x = models[kind], noise(1, 6, WIDTH), noise(1, 128, 3, 4)
    shown = [noise(1, 128, 2, 3), noise(1, 128, 4, 1)][:pictures]
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    levels = torch.tensor([1.0, 0.7, 0.2, 0.0])
    run: Any = SimpleNamespace(shape=x.shape, device=torch.device("cpu"), sigmas=levels)
    fed = denoiser.feed(context, {"reference_latents": shown}, "positive", run)
    with torch.inference_mode():
        denoised = denoiser(x, torch.tensor(0.7), fed.context, fed.added)
    velocity = made_by_diffusers(model.network.module(), x, context, shown, 0.7, 0.2 if kind == "distilled" else None)
    torch.testing.assert_close(denoised, x - 0.7 * velocity)


def sampled(model: ModelPatcher, positive: list[Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": positive, "negative": positive, **changes,
    }  # fmt: skip
    return ksample(model, {"samples": torch.zeros(1, 128, 3, 2)}, **settings)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("sampler", ["heun", "er_sde"])
def test_two_stages_are_the_single_run_bit_for_bit(models: dict[str, ModelPatcher], kind: str, sampler: str) -> None:
    given = [[noise(1, 6, WIDTH), {"reference_latents": [noise(1, 128, 2, 2)]}]]
    settings: dict[str, Any] = {"sampler": sampler, "mode": "continuous"}
    whole = sampled(models[kind], given, **settings)["samples"]
    first = sampled(models[kind], given, end=2, **settings)
    stage: dict[str, Any] = {"seed": 3, "cfg": 1.0, "steps": 4, "scheduler": "simple", "start": 2, "add_noise": False}
    second = ksample(models[kind], first, positive=given, negative=given, **stage, **settings)["samples"]
    assert torch.equal(second, whole)


def test_the_distilled_model_is_told_where_each_step_leads(models: dict[str, ModelPatcher]) -> None:
    model, context, x = models["distilled"], noise(1, 6, WIDTH), noise(1, 128, 3, 2, seed=3)
    found = sampled(model, [[context, {}]], steps=4)["samples"]
    levels = torch.linspace(1.0, 1 / 4, 4)
    sigmas = [float(each) for each in SHIFT * levels / (1 + (SHIFT - 1) * levels)] + [0.0]
    latent = x
    for now, then in pairwise(sigmas):
        latent = latent + (then - now) * made_by_diffusers(model.network.module(), latent, context, [], now, then)
    torch.testing.assert_close(found, latent, rtol=1e-4, atol=1e-4)
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    with pytest.raises(DiffusionError, match="told where each step leads"):
        denoiser(x, torch.tensor(0.7), context, {}, {})


@pytest.mark.parametrize("kind", NAMES)
def test_runs_of_other_levels_share_a_call(models: dict[str, ModelPatcher], kind: str) -> None:
    model = models[kind]
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    calls = []
    for seed, levels in enumerate(([1.0, 0.7, 0.2, 0.0], [0.9, 0.7, 0.6, 0.1])):
        run: Any = SimpleNamespace(shape=(1, 128, 3, 4), device=torch.device("cpu"), sigmas=torch.tensor(levels))
        fed = denoiser.feed(noise(1, 6, WIDTH, seed=seed), {}, "positive", run)
        calls.append(NetworkCall(denoiser, noise(1, 128, 3, 4), torch.tensor(0.7), fed.context, fed.added))
    with torch.inference_mode():
        together = Gathering(lambda answer, call: None).answer(calls)
        for found, call in zip(together, calls, strict=True):
            assert found is not None
            torch.testing.assert_close(found, call.alone(), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def clip(folder: Path) -> Iterator[Clip]:
    # Qwen's tokenizer takes seconds to build.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weft.nodes.diffusion.text.qwen.encode", ids_of)
        yield load_clip([file_of(folder, "text_encoders", "qwen3vl_4b")], "flux3", **ON_CPU)


def ids_of(text: str) -> list[int]:
    return [PICTURE if letter == "*" else ord(letter) for letter in text]


def peer_of(clip: Clip) -> Any:
    """transformers' whole Qwen3-VL with the weights of a clip."""
    encoder: Any = clip.encoders[0]
    ours, eyes = encoder.network.module(), encoder.vision.module()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    text = {name: getattr(ours.config, name) for name in (*names, "num_key_value_heads", "head_dim", "rms_norm_eps")}
    text["rope_parameters"] = {
        "rope_type": "default", "rope_theta": 5_000_000, "mrope_section": [24, 20, 20], "mrope_interleaved": True
    }  # fmt: skip
    config = Qwen3VLConfig(text_config=text, vision_config=eyes.config.to_dict())
    peer: Any = Qwen3VLForConditionalGeneration(config).eval()
    peer.model.language_model.load_state_dict({key: value.clone() for key, value in ours.state_dict().items()})
    peer.model.visual.load_state_dict({key: value.clone() for key, value in eyes.state_dict().items()})
    return peer


@pytest.mark.parametrize("words", [3, 75])
def test_a_prompt_is_eight_layers_of_qwen3_vl(clip: Clip, words: int) -> None:
    prompt = "a" * words
    [[rows, options]] = clip.encode(prompt)
    chat = USE.template.replace("{}", prompt)
    assert (rows.shape, options) == ((1, -(-len(chat) // 80) * 80, WIDTH), {})

    class Tokenizer:
        tokenizer: Any

        def apply_chat_template(self, messages: Any, **options: Any) -> str:
            assert messages == [{"role": "user", "content": prompt}]
            return chat

        def __call__(self, text: str, **options: Any) -> dict[str, Tensor]:
            ids = torch.full((1, options["max_length"] if "padding" in options else len(chat)), 151643)
            ids[0, : len(chat)] = torch.tensor(ids_of(chat))
            return {"input_ids": ids, "attention_mask": (ids != 151643).long()}

    tokenizer: Any = Tokenizer()
    tokenizer.tokenizer = tokenizer
    with torch.inference_mode():
        expected = encoders.Flux3TextEncoderStep._get_qwen3_vl_prompt_embeds(peer_of(clip), tokenizer, prompt)
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-5)


def test_qwen3_vl_sees_what_transformers_sees(clip: Clip) -> None:
    # Of sizes that nothing resizes, in steps of a byte.
    pictures = [(torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(3)) * 255).round() / 255
                for size in ((256, 320), (352, 256))]  # fmt: skip
    processor = Qwen2VLImageProcessorPil(
        size={"shortest_edge": SIGHT_OF_VL3.least, "longest_edge": SIGHT_OF_VL3.most}, patch_size=16,
        image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5],
    )  # fmt: skip
    read = processor([(picture[0] * 255).byte().numpy() for picture in pictures], return_tensors="pt")
    encoder: Any = clip.encoders[0]
    with torch.inference_mode():
        embedded, beside = encoder.embedded([(token, 1.0) for token in ids_of("see * and * now")], pictures)
        found = encoder.network.module()(inputs_embeds=embedded, use_cache=False, **beside).last_hidden_state
        ids: list[int] = []
        counts = [int(grid.prod()) // 4 for grid in read["image_grid_thw"]]
        for token in ids_of("see * and * now"):
            ids += [token] * (counts.pop(0) if token == PICTURE else 1)
        tokens = torch.tensor([ids])
        expected = peer_of(clip).model(input_ids=tokens, mm_token_type_ids=(tokens == PICTURE).int(), **read)
    torch.testing.assert_close(found, expected.last_hidden_state, rtol=1e-4, atol=1e-5)
    # What the first layer is given of the eyes counts.
    plain = {key: value for key, value in beside.items() if "visual" not in key}
    with torch.inference_mode():
        without = encoder.network.module()(inputs_embeds=embedded, use_cache=False, **plain).last_hidden_state
    assert (without - found).abs().max() > 1e-3


def test_another_text_encoder_and_another_models_prompt_are_refused(
    folder: Path, models: dict[str, ModelPatcher]
) -> None:
    tensors = small_file("text_encoders", "qwen_3_4b", "flux2", Path())
    assert tensors is not None
    save_file(tensors, folder / "qwen3.safetensors")
    with pytest.raises(CheckpointError, match="'flux3' are qwen3vl, got qwen3_4b"):
        load_clip([folder / "qwen3.safetensors"], "flux3", **ON_CPU)
    prompt = [[noise(1, 6, 24), {}]]
    with pytest.raises(DiffusionError, match="its width is 24, FLUX.3 klein base reads 64"):
        sampled(models["base"], prompt)


def test_boxes_stand_behind_the_prompt() -> None:
    element = {"type": "obj", "bbox": [100, 200, 300, 400], "desc": "a cup", "color_palette": ["#fff"]}
    text = {"type": "text", "bbox": [0, 0, 10, 10], "text": "OPEN", "desc": ""}
    said: Any = Flux3LayoutPrompt(prompt="a <obj_1> \n", element=[element, text])
    assert said == (
        'a <obj_1> [{"id": "obj_1", "bbox": [100, 200, 300, 400], "desc": "a cup"}, '
        '{"id": "obj_2", "bbox": [0, 0, 10, 10], "desc": "OPEN"}]'
    )
    assert Flux3LayoutPrompt(prompt="a ", element=[]) == "a "


def test_several_pictures_are_shown_in_order() -> None:
    class Halving:
        def encode(self, pixels: Tensor) -> Tensor:
            return pixels.movedim(-1, 1)[:, :, ::2, ::2]

    vae: Any = Halving()
    pictures = {"image0": torch.rand(1, 64, 128, 4), "image1": torch.rand(1, 32, 32, 3)}
    prompt = [[noise(1, 2, 4), {"reference_latents": [noise(1, 3, 1, 1)]}]]
    kept: Any = {"positive": prompt, "vae": vae, "images": pictures}
    wanted, unwanted, empty = ReferenceMultiLatent(**kept, resolution={"resolution": "keep resolution"})
    latents = wanted[0][1]["reference_latents"]
    assert [tuple(latent.shape) for latent in latents] == [(1, 3, 1, 1), (1, 3, 32, 64), (1, 3, 16, 16)]
    assert unwanted is wanted
    assert empty["samples"].shape == (1, 3, 32, 64)
    assert not empty["samples"].any()
    resized = {"resolution": "resize", "megapixels": 0.02}
    wanted, unwanted, _ = ReferenceMultiLatent(**kept, negative=[[noise(1, 2, 4), {}]], resolution=resized)
    assert [tuple(latent.shape[2:]) for latent in unwanted[0][1]["reference_latents"]] == [(48, 104), (72, 72)]
    assert len(wanted[0][1]["reference_latents"]) == 3
