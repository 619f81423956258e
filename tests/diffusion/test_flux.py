"""FLUX.1 on small files of random weights: what lands where, what the network is told, LoRAs of every spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in
from weft.nodes.diffusion.families.flux.tiny import small_file
from weft.nodes.diffusion.families.patches import wrapped
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}


def written(path: Path, kind: str, name: str = "flux1-dev.safetensors", **changes: Tensor) -> Path:
    tensors = small_file(kind, name)
    assert tensors is not None
    save_file({key: value.contiguous() for key, value in (tensors | changes).items()}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flux")


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelPatcher:
    return load_unet(written(folder / "dev.safetensors", "diffusion_models"), **ON_CPU)


@pytest.fixture(scope="module")
def clip(folder: Path) -> Clip:
    names = ("clip_l.safetensors", "t5xxl.safetensors")
    return load_clip([written(folder / name, "text_encoders", name) for name in names], "flux", **ON_CPU)


def sampled(model: ModelPatcher, clip: Clip, latent: dict[str, Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": clip.encode("a (cat:1.2)"), "negative": clip.encode(""), **changes,
    }  # fmt: skip
    return ksample(model, latent, **settings)


def empty(height: int = 6, width: int = 8) -> dict[str, Tensor]:
    return {"samples": torch.zeros(1, 16, height, width)}


def test_a_prompt_is_t5s_rows_and_clips_vector(clip: Clip) -> None:
    [[rows, options]] = clip.encode("a cat")
    assert rows.shape == (1, 256, 32)
    assert options["pooled_output"].shape == (1, 32)
    [[heavier, _]] = clip.encode("a (cat:1.5)")
    assert not torch.equal(rows, heavier)
    assert clip.encode("a cat " * 80)[0][0].shape[1] > 256
    [[each, of_each]] = clip.encode_each({"clip_l": "a dog", "t5xxl": "a cat"})
    assert torch.equal(each, rows)
    assert not torch.equal(of_each["pooled_output"], options["pooled_output"])


def test_the_last_layer_but_one_is_normed(clip: Clip) -> None:
    [[last, options]] = clip.encode("a cat")
    [[before, same]] = clip.with_layer(-2).encode("a cat")
    assert not torch.equal(last, before)
    assert torch.equal(options["pooled_output"], same["pooled_output"])


def test_guidance_and_its_absence_change_dev_and_not_schnell(model: ModelPatcher, clip: Clip, folder: Path) -> None:
    schnell = load_unet(
        written(folder / "schnell.safetensors", "diffusion_models", "flux1-schnell.safetensors"), **ON_CPU
    )
    [[rows, options]] = clip.encode("a cat")
    for each, differs in ((model, True), (schnell, False)):
        guided = [
            sampled(each, clip, empty(), positive=[[rows, {**options, **given}]])["samples"]
            for given in ({}, {"guidance": 3.5}, {"guidance": 1.0}, {"guidance": None})
        ]
        assert torch.equal(guided[0], guided[1])
        assert torch.equal(guided[0], guided[2]) is not differs
        assert torch.equal(guided[2], guided[3]) is not differs
    assert (model.kind.name, schnell.kind.name) == ("flux", "flux_schnell")


def test_a_checkpoint_is_its_parts(model: ModelPatcher, clip: Clip, folder: Path) -> None:
    loaded = load_checkpoint(written(folder / "aio.safetensors", "checkpoints"), **ON_CPU)
    assert loaded.vae is not None
    assert loaded.vae.decode(torch.zeros(1, 16, 2, 2)).shape == (1, 16, 16, 3)
    alone = load_vae(written(folder / "ae.safetensors", "vae"), **ON_CPU)
    assert torch.equal(alone.decode(torch.ones(1, 16, 2, 2)), loaded.vae.decode(torch.ones(1, 16, 2, 2)))
    one, other = (sampled(each, clip, empty())["samples"] for each in (model, loaded.model))
    assert torch.equal(one, other)
    # Its T5 has its tokenizer with it, as that of a file of its own.
    assert loaded.clip is not None
    assert torch.equal(loaded.clip.encode("a cat")[0][0], clip.encode("a cat")[0][0])


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model."])
def test_a_transformer_is_found_behind_any_prefix(folder: Path, model: ModelPatcher, prefix: str) -> None:
    tensors = small_file("diffusion_models", "dev")
    assert tensors is not None
    path = folder / f"{prefix}x.safetensors"
    save_file({prefix + key: value.contiguous() for key, value in tensors.items()}, path)
    again = load_unet(path, **ON_CPU).network.module()
    for name, weight in model.network.module().named_parameters():
        assert torch.equal(weight, again.get_parameter(name))


def test_sides_that_are_no_whole_patches_go_round() -> None:
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    assert torch.equal(wrapped(x, 2)[0, 0, 3], torch.tensor([0.0, 1, 2, 3, 4, 0]))
    assert torch.equal(wrapped(x, 2)[0, 0, :, 5], torch.tensor([0.0, 5, 10, 0]))
    assert wrapped(x[..., :2, :4], 2).shape == (1, 1, 2, 4)


def test_any_size_is_sampled(model: ModelPatcher, clip: Clip) -> None:
    assert sampled(model, clip, empty(5, 7))["samples"].shape == (1, 16, 5, 7)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "sa_solver", "lcm"])
@pytest.mark.parametrize("cut", [1, 3])
def test_two_stages_are_the_single_run_bit_for_bit(model: ModelPatcher, clip: Clip, sampler: str, cut: int) -> None:
    settings: dict[str, Any] = {"sampler": sampler, "mode": "continuous"}
    whole = sampled(model, clip, empty(), **settings)["samples"]
    first = sampled(model, clip, empty(), end=cut, **settings)
    second = sampled(model, clip, first, start=cut, add_noise=False, **settings)["samples"]
    assert torch.equal(second, whole)


def layer(prefix: str, rows: int, columns: int, *, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{prefix}.lora_up.weight": torch.randn(rows, 4, generator=generator),
        f"{prefix}.lora_down.weight": torch.randn(4, columns, generator=generator),
    }


def patched(model: ModelPatcher, path: Path, tensors: dict[str, Tensor], strength: float = 0.5) -> dict[str, Tensor]:
    save_file(tensors, path)
    found, _, report = apply_lora(model, None, load_lora(path), strength, 0.0)
    assert found is not None
    assert not report.unmatched
    assert not report.misfits
    return dict(found.network.module().named_parameters())


def test_a_layer_that_the_file_stores_fused_changes_each_of_its_parts(model: ModelPatcher, tmp_path: Path) -> None:
    fused = layer("lora_unet_single_blocks_0_linear1", 7 * 128, 128, seed=1)
    changed = patched(model, tmp_path / "a.safetensors", fused)
    whole = (
        0.5
        * fused["lora_unet_single_blocks_0_linear1.lora_up.weight"]
        @ (fused["lora_unet_single_blocks_0_linear1.lora_down.weight"])
    )
    base = dict(model.network.base.named_parameters())
    block = "single_transformer_blocks.0"
    start = 0
    for name, rows in (("attn.to_q", 128), ("attn.to_k", 128), ("attn.to_v", 128), ("proj_mlp", 512)):
        weight = f"{block}.{name}.weight"
        torch.testing.assert_close(changed[weight], base[weight] + whole[start : start + rows])
        start += rows


@pytest.mark.parametrize(
    ("original", "of_diffusers"),
    [
        ("lora_unet_double_blocks_0_txt_mlp_2", "transformer.transformer_blocks.0.ff_context.net.2"),
        ("diffusion_model.double_blocks.0.img_attn.proj", "transformer_blocks.0.attn.to_out.0"),
        ("lora_unet_guidance_in_in_layer", "lora_transformer_time_text_embed_guidance_embedder_linear_1"),
    ],
)
def test_one_layer_has_many_names(model: ModelPatcher, tmp_path: Path, original: str, of_diffusers: str) -> None:
    columns = {"2": 512, "r": 256}.get(original[-1], 128)
    one = patched(model, tmp_path / "a.safetensors", layer(original, 128, columns, seed=2))
    other = patched(model, tmp_path / "b.safetensors", layer(of_diffusers, 128, columns, seed=2))
    for name, weight in one.items():
        assert torch.equal(weight, other[name])
    assert any(not torch.equal(weight, model.network.base.get_parameter(name)) for name, weight in one.items())


def test_the_names_of_xlabs_say_which_stream_a_layer_is_of(model: ModelPatcher, tmp_path: Path) -> None:
    for theirs, makers, rows, columns in (
        ("double_blocks.0.processor.qkv_lora1", "double_blocks.0.img_attn.qkv", 384, 128),
        ("double_blocks.0.processor.proj_lora2", "double_blocks.0.txt_attn.proj", 128, 128),
        ("single_blocks.0.processor.proj_lora", "single_blocks.0.linear2", 128, 640),
    ):
        factors = layer(makers, rows, columns, seed=5)
        named = {f"{theirs}.{key.split('lora_')[-1]}": factor for key, factor in factors.items()}
        one, other = (
            patched(model, tmp_path / "a.safetensors", named),
            patched(model, tmp_path / "b.safetensors", factors),
        )
        assert all(torch.equal(weight, other[name]) for name, weight in one.items()), theirs
        assert any(not torch.equal(weight, model.network.base.get_parameter(name)) for name, weight in one.items())
    # Of a fused layer the rows of the attention alone.
    fused = layer("single_blocks.0.processor.qkv_lora", 384, 128, seed=6)
    changed = patched(
        model, tmp_path / "c.safetensors", {key.replace("lora_", ""): each for key, each in fused.items()}
    )
    (down, up) = (fused[f"single_blocks.0.processor.qkv_lora.lora_{way}.weight"] for way in ("down", "up"))
    name = "single_transformer_blocks.0."
    base = model.network.base.get_parameter(f"{name}attn.to_v.weight")
    torch.testing.assert_close(changed[f"{name}attn.to_v.weight"], base + 0.5 * (up @ down)[256:])
    assert torch.equal(changed[f"{name}proj_mlp.weight"], model.network.base.get_parameter(f"{name}proj_mlp.weight"))


def test_the_last_modulation_has_its_halves_in_the_other_order(model: ModelPatcher, tmp_path: Path) -> None:
    of_file = layer("diffusion_model.final_layer.adaLN_modulation.1", 256, 128, seed=3)
    of_diffusers = layer("transformer.norm_out.linear", 256, 128, seed=3)
    name = "norm_out.linear.weight"
    base = model.network.base.get_parameter(name)
    one = patched(model, tmp_path / "a.safetensors", of_file)[name] - base
    other = patched(model, tmp_path / "b.safetensors", of_diffusers)[name] - base
    torch.testing.assert_close(one, other.roll(128, 0))


def test_a_dora_over_several_layers_is_left_out_with_words(model: ModelPatcher, tmp_path: Path) -> None:
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    path = tmp_path / "a.safetensors"
    save_file({**layer(name, 384, 128, seed=1), f"{name}.dora_scale": torch.ones(384, 1)}, path)
    with pytest.raises(DiffusionError, match="is a DoRA over 3 layers at once, which is not supported"):
        apply_lora(model, None, load_lora(path), 1.0, 0.0)


def test_bad_input_says_what_was_expected(model: ModelPatcher, clip: Clip, folder: Path) -> None:
    [[rows, options]] = clip.encode("a cat")
    for cond, given, told in (
        (rows, {}, r"FLUX.1 dev needs a pooled_output of width 32, there is none: .*DualCLIPLoader, type flux"),
        (rows, {"pooled_output": torch.zeros(1, 5)}, "width 32, its width is 5"),
        (rows[..., :8], options, "its width is 8, FLUX.1 dev reads 32: .*of another model family"),
    ):
        with pytest.raises(DiffusionError, match=told):
            sampled(model, clip, empty(), positive=[[cond, given]])
    with pytest.raises(DiffusionError, match="4 channels, the model takes 16"):
        sampled(model, clip, {"samples": torch.ones(1, 4, 4, 4)})
    with pytest.raises(CheckpointError, match=r"are clip_l \+ t5xxl, got t5xxl \+ t5xxl"):
        load_clip([folder / "t5xxl.safetensors", written(folder / "t5.safetensors", "text_encoders", "t5")], "flux",
                  **ON_CPU)  # fmt: skip
    wide = written(folder / "wide.safetensors", "diffusion_models", **{"img_in.weight": torch.zeros(128, 80)})
    with pytest.raises(CheckpointError, match=r"of FLUX.1 reads 20 channels, which is not supported: 16, 32, 96 are"):
        load_unet(wide, **ON_CPU)


def test_a_file_says_its_release_by_its_shapes() -> None:
    for name, title in (("dev", "FLUX.1 dev"), ("schnell", "FLUX.1 schnell")):
        tensors = small_file("checkpoints", name)
        assert tensors is not None
        assert release_in({key: tuple(value.shape) for key, value in tensors.items()}) == title
