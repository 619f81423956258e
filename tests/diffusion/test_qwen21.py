"""Qwen-Image 2.1 on small files of random weights, against diffusers' models and what its pipeline does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLQwenImage21, QwenImage21Pipeline, QwenImage21Transformer2DModel
from diffusers.loaders.single_file_utils import convert_qwen_image21_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.core.qwen import TextEncodeQwenImage21
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import glances, known, release_in, release_meant, small_file
from weft.nodes.diffusion.families.qwen21 import statistics, tiny
from weft.nodes.diffusion.families.qwen21.denoiser import PICTURE_ROWS, QwenImage21Denoiser
from weft.nodes.diffusion.families.qwen21.denoiser import _places as places_of
from weft.nodes.diffusion.families.qwen21.kept import DEVICE, FORMS, PLACES, KeptLayer
from weft.nodes.diffusion.families.wan.vae import original
from weft.nodes.diffusion.sampling.gathering import Gathering, NetworkCall
from weft.nodes.diffusion.sampling.patches.references import keep_prefix
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen_vision import PICTURE
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample
from .test_flux3 import peer_of

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
RELEASE, WIDTH = "qwen_image_21", 8


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tensors_of(kind: str) -> dict[str, Tensor]:
    tensors = small_file(kind, "qwen_image_2.1", RELEASE, Path())
    assert tensors is not None
    return {key: value.contiguous() for key, value in tensors.items()}


def saved(folder: Path, name: str, tensors: dict[str, Tensor]) -> Path:
    save_file(tensors, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qwen21")


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelPatcher:
    return load_unet(saved(folder, "model", tensors_of("diffusion_models")), **ON_CPU)


@pytest.fixture(scope="module")
def peer() -> Any:
    made: Any = QwenImage21Transformer2DModel(**tiny.sizes()).eval()
    weights = convert_qwen_image21_transformer_checkpoint_to_diffusers(tensors_of("diffusion_models"))
    made.load_state_dict({key: value.float() for key, value in weights.items()})
    return made


def test_weights_land_where_diffusers_puts_them(folder: Path, model: ModelPatcher, peer: Any) -> None:
    found, expected = dict(model.network.module().named_parameters()), dict(peer.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())
    plain = {key: value.detach().contiguous() for key, value in expected.items()}
    other = load_unet(saved(folder, "of_diffusers", plain), **ON_CPU)
    assert all(torch.equal(weight, found[name]) for name, weight in other.network.module().named_parameters())
    for each in (plain, tensors_of("diffusion_models")):
        assert release_in({key: tuple(value.shape) for key, value in each.items()}) == "Qwen-Image 2.1"


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("qwen_image_2.1_turbo_int8_convrot", RELEASE),
        ("Qwen-Image-2.1", RELEASE),
        ("qwen_image_2512_fp8", "qwen_image"),
        ("qwen_image_edit_2511", "qwen_image"),
    ],
)
def test_a_name_tells_the_release(name: str, release: str) -> None:
    assert release_meant(name) == release


def prompt_with(pictures: list[Tensor], words: int = 5) -> tuple[Tensor, list[tuple[int, int]], Tensor]:
    """A prompt of words and pictures [1,64,h,w] among them, the rows of these, and where diffusers has them."""
    rows, at = [], 2
    for picture in pictures:
        count = picture.shape[-2] * picture.shape[-1] // 4
        rows.append((at, at + count))
        at += count + 1
    mask = torch.zeros(1, at + words, dtype=torch.bool)
    for begin, end in rows:
        mask[:, begin:end] = True
    return noise(1, at + words, WIDTH), rows, mask


def velocity_of(peer: Any, x: Tensor, context: Tensor, pictures: list[Tensor], mask: Tensor, sigma: float) -> Tensor:
    """What diffusers' network gives as its pipeline calls it."""
    shapes = [(1, *each.shape[-2:]) for each in (*pictures, x)]
    rows = torch.cat([each.flatten(2).transpose(1, 2) for each in (*pictures, x)], dim=1)
    slots = torch.ones(1, x.shape[-2] * x.shape[-1] // 4, dtype=torch.bool)
    with torch.inference_mode():
        (made,) = peer(
            hidden_states=rows,
            timestep=torch.tensor([sigma]),
            encoder_hidden_states=context,
            img_shapes=[shapes],
            img_mask=torch.cat([mask, slots], dim=1),
            return_dict=False,
        )
    return made[:, -x.shape[-2] * x.shape[-1] :].transpose(1, 2).reshape(x.shape)


def denoiser_of(model: ModelPatcher) -> QwenImage21Denoiser:
    made: Any = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    return made  # type: ignore[no-any-return]


PICTURES = {"none": [], "one": [(2, 4)], "two, of other forms": [(4, 2), (2, 2)]}


@pytest.mark.parametrize("name", PICTURES)
def test_the_network_gives_what_diffusers_does(model: ModelPatcher, peer: Any, name: str) -> None:
    pictures = [noise(1, 64, *sides, seed=9) for sides in PICTURES[name]]
    context, rows, mask = prompt_with(pictures)
    x = noise(1, 64, 4, 6, seed=3)
    denoiser, node_space = denoiser_of(model), [model.latent_format.from_network(each) for each in pictures]
    run: Any = SimpleNamespace(shape=x.shape, device=torch.device("cpu"))
    fed = denoiser.feed(context, {"reference_latents": node_space, PICTURE_ROWS: rows}, "positive", run)
    for sigma in (0.7, 0.3):
        with torch.inference_mode():
            found = denoiser(x, torch.tensor(sigma), fed.context, fed.added)
        expected = x - sigma * velocity_of(peer, x, context, pictures, mask, sigma)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_its_schedule_is_that_of_comfyui_and_about_the_released_one_for_1024(model: ModelPatcher) -> None:
    half = model.sampling.percent_to_sigma(0.5)
    assert half == pytest.approx(math.exp(0.69) / (math.exp(0.69) + 1.0), abs=1e-6)
    released = 0.5 + (0.9 - 0.5) * (64 * 64 - 256) / (8192 - 256)
    assert half == pytest.approx(math.exp(released) / (math.exp(released) + 1.0), abs=1e-3)


@pytest.mark.parametrize("shown", [(2, 4), (3, 4), (4, 7), (5, 3)])
@pytest.mark.parametrize("sampled", [(4, 4), (3, 6)])
def test_pictures_have_one_middle(shown: tuple[int, int], sampled: tuple[int, int]) -> None:
    words = noise(1, 2, WIDTH)
    places = places_of([words, noise(1, 64, *shown), words, noise(1, 64, *sampled)])
    behind = 2 + shown[0] * shown[1]
    picture, last = places[2:behind], places[behind + 2 :]
    assert torch.equal(picture[:, 1:].mean(dim=0), last[:, 1:].mean(dim=0))
    # Words stand on all axes at one number, and a picture at that of the next word.
    assert torch.equal(places[:2], torch.tensor([[0.0] * 3, [1.0] * 3])) and set(picture[:, 0].tolist()) == {2.0}
    assert places[behind].tolist() == [2.0 + max(shown)] * 3


def test_pictures_that_the_text_does_not_show_are_refused(model: ModelPatcher) -> None:
    run: Any = SimpleNamespace(shape=(1, 64, 4, 4), device=torch.device("cpu"))
    with pytest.raises(DiffusionError, match="1 pictures to edit, and its text shows 0"):
        denoiser_of(model).feed(noise(1, 6, WIDTH), {"reference_latents": [noise(1, 64, 2, 2)]}, "positive", run)


def sampled(model: ModelPatcher, latent: Any = None, **changes: Any) -> Any:
    context, rows, _ = prompt_with([noise(1, 64, 2, 2)])
    given = [[context, {"reference_latents": [noise(1, 64, 2, 2, seed=9)], PICTURE_ROWS: rows}]]
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple", "mode": "continuous", **changes,
    }  # fmt: skip
    return ksample(model, latent or {"samples": torch.zeros(1, 64, 4, 2)}, positive=given, negative=given, **settings)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sampler", ["heun", "er_sde"])
def test_two_stages_are_the_single_run_bit_for_bit(model: ModelPatcher, form: str, sampler: str) -> None:
    kept = keep_prefix(model, "auto", form)
    whole = sampled(kept, sampler=sampler)["samples"]
    first = sampled(kept, sampler=sampler, end=2)
    assert torch.equal(sampled(kept, first, sampler=sampler, start=2, add_noise=False)["samples"], whole)


def test_where_a_prompt_is_kept_changes_nothing(model: ModelPatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, filled = sampled(model)["samples"], []
    keep = KeptLayer.keep
    monkeypatch.setattr(KeptLayer, "keep", lambda self, *given: (filled.append(self), keep(self, *given)))
    layers = tiny.sizes()["num_layers"]
    for place in PLACES:
        filled.clear()
        assert torch.equal(sampled(keep_prefix(model, place, "default"))["samples"], expected)
        # Once a run, or once a step.
        assert len(filled) == (4 * layers if place == "off" else layers)


def test_runs_that_share_their_calls_read_their_prompts_once(
    model: ModelPatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled, keep = [], KeptLayer.keep
    monkeypatch.setattr(KeptLayer, "keep", lambda self, *given: (filled.append(self), keep(self, *given)))
    denoiser, gathering = denoiser_of(model), Gathering(lambda answer, call: None)
    contexts = [noise(1, 5, WIDTH, seed=seed) for seed in (1, 2)]
    for sigma in (0.7, 0.3):
        calls = [NetworkCall(denoiser, noise(1, 64, 4, 6), torch.tensor(sigma), context) for context in contexts]
        with torch.inference_mode():
            for found, call in zip(gathering.answer(calls), calls, strict=True):
                assert found is not None
                alone = denoiser_of(model)(call.x, call.sigma, call.context)
                torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4)
    # Together once, and alone in every call.
    assert len(filled) == (1 + 4) * tiny.sizes()["num_layers"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["auto", "gpu"])
def test_a_prompt_that_finds_no_memory_is_kept_elsewhere(
    model: ModelPatcher, place: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = keep_prefix(model, place, form)
    expected, keep, tried = sampled(model)["samples"], KeptLayer.keep, []

    def full(self: Any, key: Tensor, value: Tensor) -> None:
        tried.append(self._place)
        if self._place == DEVICE:
            raise torch.OutOfMemoryError("no room")
        keep(self, key, value)

    monkeypatch.setattr(KeptLayer, "keep", full)
    assert torch.equal(sampled(model)["samples"], expected)
    assert tried == [DEVICE, *["cpu"] * 2] if place == "auto" else [DEVICE, *["nowhere"] * 8]


@pytest.mark.parametrize(("form", "off"), [("default", 0.0), ("int8", 0.01), ("int4", 0.15)])
def test_few_bits_are_near_to_the_numbers(form: str, off: float) -> None:
    key, value = noise(1, 5, 2, 8), noise(1, 5, 2, 8, seed=3)
    layer = KeptLayer(DEVICE, form)
    layer.keep(key, value)
    for found, given in zip(layer.read(key), (key, value), strict=True):
        assert (found - given).abs().max() <= off * given.abs().max()


def test_a_model_of_another_family_keeps_no_prompt(folder: Path) -> None:
    tensors = small_file("diffusion_models", "x", "z_image", Path())
    assert tensors is not None
    other = load_unet(saved(folder, "z_image", tensors), **ON_CPU)
    with pytest.raises(DiffusionError, match="expected a model of Qwen-Image 2.1"):
        keep_prefix(other, "auto", "default")


@pytest.fixture(scope="module")
def vae(folder: Path) -> Vae:
    return load_vae(saved(folder, "vae", tensors_of("vae")), **ON_CPU)


def test_the_vae_gives_what_diffusers_does(folder: Path, vae: Vae) -> None:
    weights = {key: value.float() for key, value in tensors_of("vae").items()}
    peer: Any = AutoencoderKLQwenImage21(base_dim=4, decoder_base_dim=4).eval()
    peer.load_state_dict(weights)
    assert tuple(peer.config.latents_mean) == statistics.MEAN and tuple(peer.config.latents_std) == statistics.DEVIATION
    picture = torch.rand(1, 32, 64, 4, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = peer.encode(picture.movedim(-1, 1)[:, :, None] * 2 - 1).latent_dist.mode()
        pixels = peer.decode(expected).sample[:, :, 0].movedim(1, -1)
    latent = vae.encode(picture)
    torch.testing.assert_close(latent, expected[:, :, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(vae.decode(latent), pixels / 2 + 0.5, rtol=1e-4, atol=1e-4)
    opaque = torch.cat([picture[..., :3], torch.ones(1, 32, 64, 1)], dim=-1)
    assert torch.equal(vae.encode(picture[..., :3]), vae.encode(opaque))
    # In the names of Wan's VAEs it is the same, written in those it came in.
    renamed = saved(folder, "wan", {original(key, residual=True): value for key, value in tensors_of("vae").items()})
    other = load_vae(renamed, **ON_CPU)
    assert torch.equal(other.encode(picture), latent)
    assert "encoder.conv1.weight" in other.exported().tensors and "encoder.conv_in.weight" in vae.exported().tensors
    for path in (renamed, folder / "vae.safetensors"):
        glance = glances.vae_glance(path)
        assert glance is not None and glance.latents.channels == 64


def ids_of(text: str) -> list[int]:
    """A token a letter, but for the marks that the code counts with."""
    marks = {"<|im_start|>": [151644], "<|image_pad|>": [PICTURE], "user\n": [872, 198]}
    for mark, ids in marks.items():
        if mark in text:
            before, _, behind = text.partition(mark)
            return [*ids_of(before), *ids, *ids_of(behind)]
    return [ord(letter) for letter in text]


@pytest.fixture(scope="module")
def clip(folder: Path) -> Iterator[Clip]:
    # Qwen's tokenizer takes seconds to build.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weft.nodes.diffusion.text.qwen.encode", ids_of)
        yield load_clip([saved(folder, "qwen3vl_8b", tensors_of("text_encoders"))], "qwen_image", **ON_CPU)


class Processor:
    """As transformers' of Qwen3-VL, of one prompt and pictures that nothing resizes."""

    def __init__(self) -> None:
        self.tokenizer = SimpleNamespace(encode=ids_of)

    def apply_chat_template(self, messages: Any, **_: Any) -> list[list[int]]:
        (message,) = messages
        return [ids_of(f"<|im_start|>{message['role']}\n{message['content'][0]['text']}<|im_end|>\n")]

    def __call__(self, text: list[str], images: Any = None, **_: Any) -> Any:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        read: Any = {}
        if images:
            process = Qwen2VLImageProcessorPil(
                size={"shortest_edge": 65_536, "longest_edge": 16_777_216}, patch_size=16,
                image_mean=[0.5] * 3, image_std=[0.5] * 3,
            )  # fmt: skip
            read = process(images, return_tensors="pt")
        counts = [int(grid.prod()) // 4 for grid in read.get("image_grid_thw", ())]
        ids: list[int] = []
        for token in ids_of(text[0]):
            ids += [token] * (counts.pop(0) if token == PICTURE else 1)
        tokens = torch.tensor([ids])
        kinds = (tokens == PICTURE).int()
        found = SimpleNamespace(
            **read, input_ids=tokens, attention_mask=torch.ones_like(tokens), mm_token_type_ids=kinds
        )
        found.to = lambda _: found
        return found


def pipeline_of(clip: Clip) -> QwenImage21Pipeline:
    made = QwenImage21Pipeline.__new__(QwenImage21Pipeline)
    nothing = SimpleNamespace()
    whole: Any = Processor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QwenImage21Pipeline, "register_modules", lambda self, **given: self.__dict__.update(given))
        patch.setattr(QwenImage21Pipeline, "register_to_config", lambda *_, **__: None)
        vae: Any = SimpleNamespace(config=SimpleNamespace(z_dim=64))
        made.__init__(nothing, vae, peer_of(clip), whole, nothing)  # type: ignore[misc, arg-type]
    return made


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_a_prompt_is_what_diffusers_pipeline_reads(clip: Clip, shown: int) -> None:
    from PIL import Image

    bytes_of = [
        (torch.rand(*size, 3, generator=torch.Generator().manual_seed(3)) * 255).byte()
        for size in ((256, 320), (352, 256))
    ][:shown]
    pictures = [Image.fromarray(each.numpy()) for each in bytes_of] or None
    with torch.inference_mode():
        expected, _, mask = pipeline_of(clip)._get_qwen_prompt_embeds(["a cat"], pictures, torch.device("cpu"))
    marks = " ".join(f"<image{number}><|vision_start|><|image_pad|><|vision_end|>" for number in range(1, shown + 1))
    if shown:
        [[rows, options]] = clip.encode_shown(marks + "a cat", [each[None].float() / 255 for each in bytes_of])
        found = torch.zeros_like(mask)
        for begin, end in options[PICTURE_ROWS]:
            found[:, begin:end] = True
        assert torch.equal(found, mask)
    else:
        [[rows, options]] = clip.encode("a cat")
        assert options == {}
        assert torch.equal(clip.encode("")[0][0], clip.encode(" ")[0][0])
    torch.testing.assert_close(rows, expected, rtol=1e-3, atol=1e-4)


def shown_by_the_node(clip: Clip, vae: Vae | None, images: dict[str, Tensor], resolution: int) -> tuple[Any, ...]:
    warned: list[str] = []
    context: Any = SimpleNamespace(warn=warned.append)
    given: dict[str, Any] = {"clip": clip, "prompt": "a cat", "negative_prompt": "", "context": context}
    made = TextEncodeQwenImage21(**given, images=images, vae=vae, resolution=resolution)
    return (*made, warned)


def test_the_node_shows_pictures_in_cells_of_32_to_both(clip: Clip, vae: Vae, model: ModelPatcher) -> None:
    images = {"image_1": torch.rand(1, 70, 130, 4), "image_2": torch.rand(2, 64, 64, 3)}
    positive, negative, latent, warned = shown_by_the_node(clip, vae, images, 0)
    assert latent["samples"].shape == (1, 64, 4, 8)
    assert len(warned) == 1 and "image_2 has 2 pictures" in warned[0]
    for side in (positive, negative):
        assert [tuple(each.shape) for each in side[0][1]["reference_latents"]] == [(1, 64, 4, 8), (1, 64, 4, 4)]
    # What is clear is white to the text encoder.
    blank = {"image_1": torch.zeros(1, 64, 64, 4), "image_2": images["image_2"][:1]}
    white = {**blank, "image_1": torch.ones(1, 64, 64, 3)}
    seen = [shown_by_the_node(clip, None, each, 0)[0][0] for each in (blank, white)]
    assert torch.equal(seen[0][0], seen[1][0]) and "reference_latents" not in seen[0][1]
    found = ksample(
        model,
        latent,
        seed=1,
        cfg=2.0,
        steps=2,
        sampler="euler",
        scheduler="simple",
        positive=positive,
        negative=negative,
    )
    assert vae.decode(found["samples"]).shape == (1, 64, 128, 4)


def test_the_node_without_pictures(clip: Clip, vae: Vae) -> None:
    positive, _, latent, warned = shown_by_the_node(clip, vae, {}, 512)
    assert torch.equal(positive[0][0], clip.encode("a cat")[0][0]) and not warned
    assert (latent["samples"].shape, latent["downscale_ratio_spacial"]) == ((1, 64, 32, 32), 16)
    assert shown_by_the_node(clip, vae, {}, 0)[2]["samples"].shape == (1, 64, 64, 64)


def test_the_file_tells_which_of_the_text_encoders_of_one_type_it_is(folder: Path, clip: Clip) -> None:
    glance = glances.text_glance([folder / "qwen3vl_8b.safetensors"], "qwen_image")
    assert glance is not None and (glance.language, glance.title) == (RELEASE, known.QWEN21)
    model = glances.model_glance(folder / "model.safetensors")
    assert model is not None and model.text.language == glance.language
    before = small_file("text_encoders", "x", "qwen_image", Path())
    assert before is not None
    other = glances.text_glance([saved(folder, "qwen25", before)], "qwen_image")
    assert other is not None and other.language == "qwen_image"
    qwen3 = small_file("text_encoders", "qwen_3_4b", "flux2", Path())
    assert qwen3 is not None
    with pytest.raises(CheckpointError, match="'qwen_image' are qwen25_7b or qwen3vl, got qwen3_4b"):
        load_clip([saved(folder, "qwen3", qwen3)], "qwen_image", **ON_CPU)
