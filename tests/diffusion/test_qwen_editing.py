"""Qwen-Image Edit on small files of random weights: against transformers' model and what diffusers' pipelines give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from diffusers.models.transformers.transformer_qwenimage import QwenEmbedLayer3DRope, QwenEmbedRope
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import QwenImageEditPlusPipeline, calculate_dimensions
from diffusers.pipelines.qwenimage.pipeline_qwenimage_layered import QwenImageLayeredPipeline
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from weft.nodes.core.qwen import TextEncodeQwenImageEdit, TextEncodeQwenImageEditPlus
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.families.patches import unpacked
from weft.nodes.diffusion.families.qwen.text import EDIT
from weft.nodes.diffusion.families.sd.tiny import shapes_of
from weft.nodes.diffusion.families.text_tiny import qwen
from weft.nodes.diffusion.families.wan.vae import VideoVaeKind
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.patches.layers import skip
from weft.nodes.diffusion.text import qwen_vision
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen_tokenizer import FIRST_MARK, MARKS, NEWLINE, USER
from weft.nodes.diffusion.text.qwen_vision import SIGHT
from weft.nodes.diffusion.values.pixels import scale_image
from weft.nodes.diffusion.values.trained_sizes import size_of_area
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
PICTURE = torch.rand(1, 60, 90, 3, generator=torch.Generator().manual_seed(1))
MARK = "<|vision_start|><|image_pad|><|vision_end|>"
WIDTH = 128


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def quick_ids(text: str) -> list[int]:
    """Ids of a text as far as they count here: those of marks and of whose turn it is; of all else letters'."""
    pieces = re.split("(" + "|".join(map(re.escape, (*MARKS, "user\n"))) + ")", text)
    of_marks = {mark: [FIRST_MARK + at] for at, mark in enumerate(MARKS)} | {"user\n": [USER, NEWLINE]}
    return [token for piece in pieces for token in of_marks.get(piece, [ord(letter) for letter in piece])]


@pytest.fixture(scope="module", autouse=True)
def quick_tokenizer() -> Iterator[None]:
    # Qwen's takes seconds to build.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weft.nodes.diffusion.text.qwen.encode", quick_ids)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qwen")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Clip:
    # As wide as a head, which transformers' class wants.
    tensors = qwen(WIDTH, sees=True)
    for key in ("visual.merger.mlp.0.bias", "model.layers.0.self_attn.k_proj.bias"):
        tensors[key] = noise(*tensors[key].shape).half()
    save_file(tensors, folder / "text.safetensors")
    return load_clip([folder / "text.safetensors"], "qwen_image", **ON_CPU)


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelPatcher:
    tensors = small_file("diffusion_models", "qwen_image_edit", "qwen_image", Path())
    assert tensors is not None
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors")
    return load_unet(folder / "model.safetensors", **ON_CPU)


def peer_of(clip: Clip) -> Any:
    """transformers' whole Qwen2.5-VL with the weights of a clip."""
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 151_936, "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2,
            "num_attention_heads": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        vision_config={
            "depth": 1, "hidden_size": 64, "intermediate_size": 32, "num_heads": 16, "out_hidden_size": WIDTH,
        },
        image_token_id=qwen_vision.PICTURE,
    )  # fmt: skip
    with torch.device("meta"):
        peer: Any = Qwen2_5_VLModel(config).eval()
    encoder: Any = clip.encoders[0]
    given = {f"language_model.{name}": weight for name, weight in encoder.network.module().named_parameters()}
    given |= {f"visual.{name}": weight for name, weight in encoder.vision.module().named_parameters()}
    peer.load_state_dict(given, assign=True)
    peer.language_model.rotary_emb = type(peer.language_model.rotary_emb)(peer.language_model.config)
    peer.visual.rotary_pos_emb = type(peer.visual.rotary_pos_emb)(peer.visual.config)
    return peer


def test_a_prompt_about_pictures_is_what_transformers_makes_of_it(clip: Clip) -> None:
    # Of sizes that nothing resizes, in steps of a byte.
    pictures = [(torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(3)) * 255).round() / 255
                for size in ((84, 140), (56, 56))]  # fmt: skip
    prompt = f"{MARK}and {MARK}make it red"
    [[rows, options]] = clip.encode_shown(prompt, pictures)
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": SIGHT.least, "longest_edge": SIGHT.most})
    read = processor([(picture[0] * 255).byte().numpy() for picture in pictures], return_tensors="pt")
    ids: list[int] = []
    counts = [int(grid.prod()) // 4 for grid in read["image_grid_thw"]]
    chat = quick_ids(EDIT.replace("{}", prompt))
    for token in chat:
        ids += [token] * (counts.pop(0) if token == qwen_vision.PICTURE else 1)
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        expected = peer_of(clip)(input_ids=tokens, mm_token_type_ids=(tokens == qwen_vision.PICTURE).int(), **read)
    torch.testing.assert_close(rows, expected.last_hidden_state[:, chat.index(USER) + 2 :], rtol=1e-4, atol=1e-5)
    assert options == {}


@pytest.mark.parametrize("size", [(60, 90), (10, 20), (1000, 30), (5000, 4000), (28, 28)])
def test_a_picture_is_brought_to_the_size_that_transformers_brings_it_to(size: tuple[int, int]) -> None:
    assert qwen_vision.fitting(*size) == smart_resize(*size, min_pixels=SIGHT.least, max_pixels=SIGHT.most)
    assert size_of_area(torch.zeros(1, *size, 3), 1024**2) == calculate_dimensions(1024**2, size[1] / size[0])


def test_the_template_is_the_published_one() -> None:
    constants = QwenImageEditPlusPipeline.__init__.__code__.co_consts
    assert EDIT in constants
    assert "Picture {}: <|vision_start|><|image_pad|><|vision_end|>" in (
        QwenImageEditPlusPipeline._get_qwen_prompt_embeds.__code__.co_consts
    )


class _Vae:
    def encode(self, pixels: Tensor) -> Tensor:
        return torch.zeros(1, 16, 1, pixels.shape[1] // 8, pixels.shape[2] // 8)


def test_the_nodes_show_pictures_to_encoder_and_model(clip: Clip) -> None:
    context: Any = SimpleNamespace(warn=pytest.fail)
    edit, plus = TextEncodeQwenImageEdit, TextEncodeQwenImageEditPlus
    [[plain, nothing]] = edit(clip=clip, prompt="make it red", vae=_Vae(), image=None, context=context)
    assert nothing == {}
    assert torch.equal(plain, clip.encode("make it red")[0][0])
    [[one, options]] = plus(clip=clip, prompt="red", vae=_Vae(), image1=PICTURE, image2=None, image3=PICTURE,
                            context=context)  # fmt: skip
    # 480x320 pixels each become 17x11 rows; the model is shown a million.
    [[same, _]] = clip.encode_shown(f"Picture 1: {MARK}Picture 3: {MARK}red", [brought(PICTURE), brought(PICTURE)])
    assert torch.equal(one, same)
    assert [tuple(latent.shape) for latent in options["reference_latents"]] == [(1, 16, 1, 104, 156)] * 2
    [[_, unseen]] = plus(clip=clip, prompt="red", vae=None, image1=PICTURE, context=context)
    assert unseen == {}


def brought(image: Tensor) -> Tensor:
    return scale_image(image, *size_of_area(image, 384 * 384), "lanczos", "disabled")


def prompt(**options: Any) -> list[Any]:
    return [[noise(1, 6, 8), options]]


def sampled(model: ModelPatcher, latent: Tensor, positive: list[Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": positive, "negative": positive, **changes,
    }  # fmt: skip
    return ksample(model, {"samples": latent}, **settings)


@pytest.mark.parametrize("method", ["index", "index_timestep_zero"])
def test_the_network_gives_what_diffusers_does(model: ModelPatcher, method: str) -> None:
    shown, context, x = [noise(1, 16, 1, 4, 4), noise(1, 16, 1, 8, 4)], noise(1, 6, 8), noise(1, 16, 1, 4, 8)
    network = model.network.module()
    denoiser = model.kind.denoiser(network, model.sampling, model.latent_format)
    run: Any = SimpleNamespace(shape=x.shape, device=torch.device("cpu"))
    options: dict[str, Any] = {"reference_latents": shown, "reference_latents_method": method}
    fed = denoiser.feed(context, options, "positive", run)
    sigma = torch.tensor(0.7)
    with torch.inference_mode():
        denoised = denoiser(x, sigma, fed.context, fed.added)
    with torch.device("meta"):
        peer: Any = QwenImageTransformer2DModel(**model.kind.sizes, zero_cond_t=method != "index").eval()  # type: ignore[attr-defined]
    peer.load_state_dict(network.state_dict(), assign=True)
    peer.pos_embed = QwenEmbedRope(10_000, [16, 56, 56], scale_rope=True)
    pack = QwenImageEditPlusPipeline._pack_latents
    latents = [x, *(model.latent_format.to_network(each) for each in shown)]
    rows = [pack(each, 1, 16, *each.shape[-2:]) for each in latents]
    sides = [[(1, each.shape[-2] // 2, each.shape[-1] // 2) for each in latents]]
    with torch.inference_mode():
        (made,) = peer(torch.cat(rows, dim=1), context, None, sigma[None], sides, return_dict=False)
    velocity = unpacked(made[:, : rows[0].shape[1]], 4, 8)[:, :, None]
    torch.testing.assert_close(denoised, x - 0.7 * velocity, rtol=1e-4, atol=1e-5)


def test_a_file_says_that_its_pictures_have_no_noise(model: ModelPatcher, folder: Path) -> None:
    tensors = small_file("diffusion_models", "qwen_image_edit", "qwen_image", Path())
    assert tensors is not None
    save_file(tensors | {"__index_timestep_zero__": torch.zeros(1)}, folder / "2511.safetensors")
    of_2511, empty = load_unet(folder / "2511.safetensors", **ON_CPU), torch.zeros(1, 16, 1, 4, 4)
    shown = {"reference_latents": [noise(1, 16, 1, 4, 4)]}
    still = sampled(model, empty, prompt(**shown, reference_latents_method="index_timestep_zero"))["samples"]
    assert torch.equal(sampled(of_2511, empty, prompt(**shown))["samples"], still)
    assert not torch.equal(sampled(model, empty, prompt(**shown))["samples"], still)


def layered_in(folder: Path) -> ModelPatcher:
    tensors = small_file("diffusion_models", "qwen_image_layered_bf16", "qwen_image", Path())
    assert tensors is not None
    save_file(tensors, folder / "layered.safetensors")
    return load_unet(folder / "layered.safetensors", **ON_CPU)


def test_layers_are_drawn_as_diffusers_draws_them(folder: Path) -> None:
    model = layered_in(folder)
    assert model.kind.title == "Qwen-Image Layered"
    network, shown, x = model.network.module(), noise(1, 16, 1, 8, 4), noise(1, 16, 3, 4, 8, seed=3)
    denoiser: Any = model.kind.denoiser(network, model.sampling, model.latent_format)
    run = SamplingRun(denoiser, tuple(x.shape), torch.device("cpu"))
    fed = denoiser.feed(noise(1, 5, 8, seed=4), {"reference_latents": [shown]}, "positive", run)
    sigma = torch.tensor(0.7)
    with torch.device("meta"):
        peer: Any = QwenImageTransformer2DModel(**model.kind.sizes, use_layer3d_rope=True).eval()  # type: ignore[attr-defined]
    peer.load_state_dict(network.state_dict(), assign=True)
    peer.pos_embed = QwenEmbedLayer3DRope(10_000, [16, 56, 56], scale_rope=True)
    pack = QwenImageLayeredPipeline._pack_latents
    rows = pack(x.movedim(1, 2), 1, 16, 4, 8, 3)
    beside = pack(model.latent_format.to_network(shown).movedim(1, 2), 1, 16, 8, 4, 1)
    shapes = [[(1, 2, 4)] * 3 + [(1, 4, 2)]]
    with torch.inference_mode():
        denoised = denoiser(x, sigma, fed.context, fed.added)
        (made,) = peer(
            torch.cat([rows, beside], dim=1),
            encoder_hidden_states=fed.context,
            timestep=sigma[None],
            img_shapes=shapes,
            additional_t_cond=torch.zeros(1, dtype=torch.long),
            return_dict=False,
        )
    velocity = torch.stack([unpacked(each, 4, 8) for each in made[:, : rows.shape[1]].chunk(3, dim=1)], dim=2)
    torch.testing.assert_close(denoised, x - 0.7 * velocity, rtol=1e-4, atol=1e-5)


def test_layers_are_of_the_model_that_draws_them_alone(model: ModelPatcher, folder: Path) -> None:
    with pytest.raises(DiffusionError, match="3 frames, and Qwen-Image draws pictures: expected 1"):
        sampled(model, torch.zeros(1, 16, 3, 4, 4), prompt())
    given = prompt(reference_latents=[noise(1, 16, 1, 4, 4)], reference_latents_method="offset")
    with pytest.raises(DiffusionError, match="is 'offset', Qwen-Image Layered reads pictures by negative_index"):
        sampled(layered_in(folder), torch.zeros(1, 16, 3, 4, 4), given)


def test_a_vae_with_an_alpha_channel_takes_pictures_without_one(folder: Path) -> None:
    config = {"base_dim": 8, "z_dim": 16, "is_residual": False, "scale_factor_spatial": 8}
    tensors = {}
    for key, shape in shapes_of(
        VideoVaeKind({**config, "in_channels": 4, "out_channels": 4}).part({}, print), ""
    ).items():
        tensors[key] = noise(*shape).half() * 0.1
    save_file(tensors, folder / "rgba.safetensors")
    vae = load_vae(folder / "rgba.safetensors", **ON_CPU)
    latent = vae.encode(torch.rand(1, 32, 32, 3))
    assert latent.shape[1] == 16
    assert vae.decode(latent).shape[-1] == 4


@pytest.mark.parametrize("method", ["index", "index_timestep_zero"])
def test_two_stages_are_the_single_run_bit_for_bit(model: ModelPatcher, method: str) -> None:
    given = prompt(reference_latents=[noise(1, 16, 1, 4, 6)], reference_latents_method=method)
    settings: dict[str, Any] = {"sampler": "dpmpp_2m_sde", "mode": "continuous"}
    whole = sampled(model, torch.zeros(1, 16, 1, 4, 4), given, **settings)["samples"]
    first = sampled(model, torch.zeros(1, 16, 1, 4, 4), given, end=2, **settings)
    stage: dict[str, Any] = {"seed": 3, "cfg": 1.0, "steps": 4, "scheduler": "simple", "start": 2, "add_noise": False}
    second = ksample(model, first, positive=given, negative=given, **stage, **settings)["samples"]
    assert torch.equal(second, whole)


def test_wrong_input_says_what_was_expected(clip: Clip, folder: Path) -> None:
    for told, prompt_, pictures in (
        ("the prompt has 0 marks for 1 pictures", "red", [PICTURE]),
        ("too long for the text encoder: at most 200 to 1", MARK, [torch.zeros(1, 1, 300, 3)]),
        ("2 pictures at once, expected one", MARK, [PICTURE.expand(2, -1, -1, -1)]),
    ):
        with pytest.raises(DiffusionError, match=told):
            clip.encode_shown(prompt_, pictures)
    save_file(qwen(8), folder / "blind.safetensors")
    blind = load_clip([folder / "blind.safetensors"], "qwen_image", **ON_CPU)
    with pytest.raises(DiffusionError, match=r"has nothing that sees pictures \(visual.\*\): take a whole Qwen2.5-VL"):
        blind.encode_shown(MARK, [PICTURE])
    with pytest.raises(DiffusionError, match=r"this text encoder \(qwen3_4b\) sees no pictures: load Qwen2.5-VL"):
        save_file(qwen(8, normed=True), folder / "z.safetensors")
        load_clip([folder / "z.safetensors"], "lumina2", **ON_CPU).encode_shown(MARK, [PICTURE])


@pytest.mark.parametrize("method", ["index", "index_timestep_zero"])
def test_blocks_may_be_left_out(model: ModelPatcher, method: str) -> None:
    x, network = noise(1, 16, 1, 4, 4), model.network.module()
    denoiser = model.kind.denoiser(network, model.sampling, model.latent_format)
    run: Any = SimpleNamespace(shape=x.shape, device=torch.device("cpu"))
    options = {"reference_latents": [noise(1, 16, 1, 4, 4)], "reference_latents_method": method}
    fed = denoiser.feed(noise(1, 6, 8), options, "positive", run)

    def denoised(**replaced: Any) -> Tensor:
        functions = {(f"{kind}_block", 0): function for kind, function in replaced.items()}
        with torch.inference_mode():
            return denoiser(x, torch.tensor(0.5), fed.context, fed.added, {"patches_replace": {"dit": functions}})

    assert torch.equal(denoised(double=lambda args, extra: extra["original_block"](args)), denoised())
    assert not torch.equal(denoised(double=skip), denoised())
