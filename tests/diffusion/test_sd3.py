"""Stable Diffusion 3 on small files of random weights: text encoders in any set, blocks left out, what lands where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.core.sd3 import CLIPTextEncodeSD3
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import FAMILIES, recognise, release_in, release_meant
from weft.nodes.diffusion.families.sd3.keymap import landings
from weft.nodes.diffusion.families.sd3.kind import SD3Kind
from weft.nodes.diffusion.families.sd3.text import clip_with
from weft.nodes.diffusion.families.sd3.tiny import sizes, small_file
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.sampling.patches.layers import skip_layers
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_clip, load_unet
from weft.nodes.diffusion.weights.landings import as_landed
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
MEDIUM = "sd3.5_medium.safetensors"


def written(path: Path, kind: str, name: str = MEDIUM, **changes: Tensor) -> Path:
    tensors = small_file(kind, name)
    assert tensors is not None
    save_file({key: value.contiguous() for key, value in (tensors | changes).items()}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sd3")


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelPatcher:
    return load_unet(written(folder / MEDIUM, "diffusion_models"), **ON_CPU)


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    names = ("clip_g", "t5xxl", "clip_l")
    return {name: written(folder / f"{name}.safetensors", "text_encoders", f"{name}.safetensors") for name in names}


@pytest.fixture(scope="module")
def clip(files: Mapping[str, Path]) -> Clip:
    return load_clip(list(files.values()), "sd3", **ON_CPU)


def sampled(model: ModelPatcher, clip: Clip, latent: dict[str, Any] | None = None, **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 4.0, "steps": 3, "sampler": "euler", "scheduler": "simple",
        "positive": clip.encode("a (cat:1.2)"), "negative": clip.encode(""), **changes,
    }  # fmt: skip
    return ksample(model, empty() if latent is None else latent, **settings)["samples"]


def empty(height: int = 6, width: int = 8) -> dict[str, Tensor]:
    return {"samples": torch.zeros(1, 16, height, width)}


def only(clip: Clip, *names: str) -> Clip:
    return clip_with([encoder for encoder in clip.encoders if encoder.name in names], clip.embeddings)


def test_a_prompt_is_both_clips_side_by_side_and_t5_below(clip: Clip) -> None:
    assert [encoder.name for encoder in clip.encoders] == ["clip_l", "clip_g", "t5xxl"]
    [[rows, options]] = clip.encode("a cat")
    assert rows.shape == (1, 154, 32)
    assert options["pooled_output"].shape == (1, 24)
    assert not rows[:, :77, 24:].any()
    assert clip.encode("a cat " * 60)[0][0].shape[1] > 2 * 77


@pytest.mark.parametrize(
    ("names", "length", "of_rows", "of_vector"),
    [
        (("clip_l", "clip_g"), 77, slice(0, 24), slice(0, 24)),
        (("clip_g", "t5xxl"), 154, slice(8, 24), slice(8, 24)),
        (("clip_l", "t5xxl"), 154, slice(0, 8), slice(0, 8)),
        (("clip_g",), 77, slice(8, 24), slice(8, 24)),
        (("t5xxl",), 77, None, slice(0, 0)),
    ],
)
def test_what_a_missing_encoder_would_give_is_zero(
    clip: Clip, names: tuple[str, ...], length: int, of_rows: slice | None, of_vector: slice
) -> None:
    [[whole, all_of_it]] = clip.encode("a cat")
    [[rows, options]] = only(clip, *names).encode("a cat")
    assert rows.shape == (1, length, 32)
    expected = torch.zeros(1, 24)
    expected[:, of_vector] = all_of_it["pooled_output"][:, of_vector]
    assert torch.equal(options["pooled_output"], expected)
    if of_rows is not None:
        part = torch.zeros(1, 77, 32)
        part[..., of_rows] = whole[:, :77, of_rows]
        assert torch.equal(rows[:, :77], part)
    if "t5xxl" in names:
        assert torch.equal(rows[:, -77:], whole[:, 77:])


class Told:
    def warn(self, message: str) -> None:
        raise AssertionError(message)


def encoded(clip: Clip, padding: str, **texts: str) -> tuple[Tensor, Tensor]:
    given = {"clip_l": "", "clip_g": "", "t5xxl": "", **texts}
    context: Any = Told()
    [[rows, options]] = CLIPTextEncodeSD3(clip=clip, empty_padding=padding, context=context, **given)
    return rows, options["pooled_output"]


def test_an_empty_text_is_left_out_or_encoded(clip: Clip) -> None:
    [[same, options]] = clip.encode("a cat")
    rows, pooled = encoded(clip, "none", clip_l="a cat", clip_g="a cat", t5xxl="a cat")
    assert torch.equal(rows, same)
    assert torch.equal(pooled, options["pooled_output"])
    # One CLIP alone stands beside an empty prompt of the other, and of T5 there is the end of a text.
    assert encoded(clip, "none", clip_l="a cat")[0].shape == (1, 78, 32)
    padded = encoded(clip, "empty_prompt", clip_l="a cat")
    assert torch.equal(padded[0][:, :77], encoded(clip, "none", clip_l="a cat")[0][:, :77])
    assert padded[0].shape == (1, 154, 32)
    rows, pooled = encoded(clip, "none", t5xxl="a cat")
    assert torch.equal(rows, same[:, 77:])
    assert not pooled.any()
    assert encoded(only(clip, "clip_l", "clip_g"), "none", clip_g="a cat " * 60, t5xxl="unread")[0].shape == (
        1,
        154,
        32,
    )
    with pytest.raises(DiffusionError, match="no text for clip_l, clip_g: nothing would be encoded"):
        encoded(only(clip, "clip_l", "clip_g"), "none", t5xxl="unread")


def test_the_last_layer_is_that_of_the_clips(clip: Clip) -> None:
    [[before, options]] = clip.encode("a cat")
    [[last, same]] = clip.with_layer(-1).encode("a cat")
    assert not torch.equal(last[:, :77], before[:, :77])
    assert torch.equal(last[:, 77:], before[:, 77:])
    assert torch.equal(options["pooled_output"], same["pooled_output"])


@pytest.mark.parametrize("name", ["sd3_medium.safetensors", "sd3.5_large.safetensors", MEDIUM])
def test_a_checkpoint_is_its_parts(folder: Path, name: str, files: Mapping[str, Path]) -> None:
    loaded = load_checkpoint(written(folder / f"aio_{name}", "checkpoints", name), **ON_CPU)
    assert loaded.vae is not None
    assert loaded.clip is not None
    assert loaded.vae.decode(torch.zeros(1, 16, 2, 2)).shape == (1, 16, 16, 3)
    alone = load_unet(written(folder / f"alone_{name}", "diffusion_models", name), **ON_CPU)
    towers = load_clip([files["clip_l"], files["clip_g"]], "sd3", **ON_CPU)
    assert torch.equal(loaded.clip.encode("a cat")[0][0], towers.encode("a cat")[0][0])
    assert torch.equal(sampled(loaded.model, towers), sampled(alone, towers))


def test_a_file_says_its_release_by_its_shapes_and_its_name() -> None:
    for name, title in (
        ("sd3_medium", "Stable Diffusion 3"),
        ("sd3.5_large", "Stable Diffusion 3.5 Large"),
        ("sd3.5_medium", "Stable Diffusion 3.5 Medium"),
    ):
        tensors = small_file("checkpoints", name)
        assert tensors is not None
        shapes = {key: tuple(value.shape) for key, value in tensors.items()}
        assert release_in(shapes) == recognise(shapes).title == title
    assert release_meant("sd3_medium_incl_clips_t5xxlfp8.safetensors") == "sd3"
    assert release_meant("t5xxl_fp16.safetensors") == "flux"


@pytest.mark.parametrize(
    ("layers", "heads", "side", "second", "weights"),
    [(24, 24, 192, (), 2_028_328_000), (38, 38, 192, (), 8_056_627_520), (24, 24, 384, range(13), 2_243_171_520)],
)
def test_released_sizes_land(layers: int, heads: int, side: int, second: Any, weights: int) -> None:
    released = {
        **sizes("sd3.5" if heads != 24 or second else "sd3"),
        "num_layers": layers, "num_attention_heads": heads, "caption_projection_dim": 64 * heads,
        "joint_attention_dim": 4096, "pooled_projection_dim": 2048, "sample_size": 2 * side,
        "pos_embed_max_size": side, "dual_attention_layers": tuple(second),
    }  # fmt: skip
    part = SD3Kind(released, "").model_part()
    # The table of positions is none of the numbers that its makers count.
    assert sum(weight.numel() for weight in part.module.parameters()) - side**2 * 64 * heads == weights
    shapes = {
        PREFIX + key: tuple(as_landed(to, part.module.get_parameter).shape) for key, to in landings(released).items()
    }
    kind = recognise(shapes)
    assert isinstance(kind, SD3Kind)
    assert dict(kind.sizes) == released
    assert sorted(kind.names()) == sorted(name for name, _ in part.module.named_parameters())


def test_any_size_is_sampled_up_to_the_table(model: ModelPatcher, clip: Clip) -> None:
    assert sampled(model, clip, empty(5, 7)).shape == (1, 16, 5, 7)
    with pytest.raises(DiffusionError, match=r"3.5 Medium knows 1024 pixels along a side, .* picture of 1040x48"):
        sampled(model, clip, empty(6, 130))


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "dpmpp_2m_sde", "lcm"])
def test_two_stages_are_the_single_run_bit_for_bit(model: ModelPatcher, clip: Clip, sampler: str) -> None:
    settings: dict[str, Any] = {"sampler": sampler, "mode": "continuous", "scheduler": "sgm_uniform"}
    first = ksample(
        model, empty(), seed=3, cfg=4.0, steps=3, end=1, positive=clip.encode("a (cat:1.2)"),
        negative=clip.encode(""), **settings,
    )  # fmt: skip
    assert torch.equal(
        sampled(model, clip, first, start=1, add_noise=False, **settings), sampled(model, clip, **settings)
    )


def test_blocks_are_left_out_as_diffusers_does(model: ModelPatcher, clip: Clip) -> None:
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    x, sigma = torch.randn(1, 16, 4, 6, generator=torch.Generator().manual_seed(0)), torch.tensor(0.5)
    [[rows, options]] = clip.encode("a cat")
    added = {"pooled": options["pooled_output"]}

    def given(function: Any) -> Tensor:
        return denoiser(x, sigma, rows, added, {"patches_replace": {"dit": {("double_block", 1): function}}})

    plain = denoiser(x, sigma, rows, added)
    torch.testing.assert_close(given(lambda args, extra: extra["original_block"](args)), plain)
    skipped = denoiser.network(
        x, encoder_hidden_states=rows, pooled_projections=added["pooled"], timestep=torch.tensor([500.0]),
        skip_layers=[1], return_dict=False,
    )[0]  # fmt: skip
    torch.testing.assert_close(given(lambda args, extra: args), x - 0.5 * skipped)
    with pytest.raises(DiffusionError, match="steps in at attn1; there is dit"):
        denoiser(x, sigma, rows, added, {"patches_replace": {"attn1": {("input", 1): print}}})


def test_skip_layer_guidance_steers_between_its_percents(model: ModelPatcher, clip: Clip) -> None:
    settings: dict[str, Any] = {"single": "", "scale": 3.0, "start_percent": 0.0}
    plain = sampled(model, clip)
    assert not torch.equal(sampled(skip_layers(model, double="1", end_percent=1.0, **settings), clip), plain)
    assert torch.equal(sampled(skip_layers(model, double="", end_percent=1.0, **settings), clip), plain)
    late = {**settings, "start_percent": 0.999}
    assert torch.equal(sampled(skip_layers(model, double="1", end_percent=1.0, **late), clip), plain)


def layer(prefix: str, rows: int, columns: int = 64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        f"{prefix}.lora_up.weight": torch.randn(rows, 4, generator=generator),
        f"{prefix}.lora_down.weight": torch.randn(4, columns, generator=generator),
    }


def patched(model: ModelPatcher, path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    save_file(tensors, path)
    assert any(family.claims(tensors) for family in FAMILIES if family.title.startswith("Stable Diffusion 3"))
    found, _, report = apply_lora(model, None, load_lora(path), 0.5, 0.0)
    assert found is not None
    assert not report.unmatched
    assert not report.misfits
    changed = found.network.module().named_parameters()
    return {name: weight - model.network.base.get_parameter(name) for name, weight in changed}


@pytest.mark.parametrize(
    ("original", "of_diffusers", "rows", "swapped"),
    [
        ("diffusion_model.joint_blocks.0.context_block.mlp.fc1", "transformer_blocks.0.ff_context.net.0.proj", 256, 0),
        ("lora_unet_joint_blocks_0_x_block_attn2_proj", "transformer_blocks.0.attn2.to_out.0", 64, 0),
        (
            "lora_unet_joint_blocks_1_context_block_adaLN_modulation_1",
            "transformer_blocks.1.norm1_context.linear",
            128,
            64,
        ),
    ],
)
def test_one_layer_has_many_names(
    model: ModelPatcher, tmp_path: Path, original: str, of_diffusers: str, rows: int, swapped: int
) -> None:
    one = patched(model, tmp_path / "a.safetensors", layer(original, rows))[f"{of_diffusers}.weight"]
    assert one.any()
    for name in (f"transformer.{of_diffusers}", f"lora_transformer_{of_diffusers.replace('.', '_')}"):
        # diffusers has scale and shift of the last modulation the other way round.
        both = {**layer(name, rows), **layer("transformer.transformer_blocks.0.attn.add_k_proj", 64)}
        other = patched(model, tmp_path / "b.safetensors", both)[f"{of_diffusers}.weight"]
        torch.testing.assert_close(one, other.roll(swapped, 0))


def test_a_fused_layer_changes_each_of_its_parts(model: ModelPatcher, tmp_path: Path) -> None:
    name = "lora_unet_joint_blocks_0_context_block_attn_qkv"
    fused = layer(name, 192)
    changed = patched(model, tmp_path / "a.safetensors", fused)
    whole = 0.5 * fused[f"{name}.lora_up.weight"] @ fused[f"{name}.lora_down.weight"]
    parts = [changed[f"transformer_blocks.0.attn.add_{part}_proj.weight"] for part in "qkv"]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_a_checkpoint_may_have_t5_and_a_lora_for_all_three_encoders(folder: Path, tmp_path: Path) -> None:
    of_t5 = small_file("text_encoders", "t5xxl.safetensors")
    assert of_t5 is not None
    t5 = {f"text_encoders.t5xxl.transformer.{key}": weight for key, weight in of_t5.items()}
    beside = {"text_encoders.clip_l.transformer.text_projection.weight": torch.zeros(8, 8)}
    loaded = load_checkpoint(written(folder / "all.safetensors", "checkpoints", **t5, **beside), **ON_CPU)
    assert loaded.clip is not None
    assert [encoder.name for encoder in loaded.clip.encoders] == ["clip_l", "clip_g", "t5xxl"]
    tensors = {
        **layer("lora_te1_text_model_encoder_layers_0_mlp_fc1", 16, 8),
        **layer("lora_te2_text_model_encoder_layers_0_mlp_fc1", 32, 16),
        **layer("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 32, 32),
    }
    save_file(tensors, tmp_path / "a.safetensors")
    _, _, report = apply_lora(loaded.model, loaded.clip, load_lora(tmp_path / "a.safetensors"), 1.0, 1.0)
    assert [place.partition(".")[0] for place in report.matched.values()] == ["clip_l", "clip_g", "t5xxl"]
    assert not report.unmatched
    assert not report.misfits


def test_bad_input_says_what_was_expected(
    model: ModelPatcher, clip: Clip, files: Mapping[str, Path], folder: Path
) -> None:
    [[rows, options]] = clip.encode("a cat")
    for cond, given, told in (
        (rows, {}, r"3.5 Medium needs a pooled_output of width 24, there is none: .*TripleCLIPLoader"),
        (rows, {"pooled_output": torch.zeros(1, 5)}, "width 24, its width is 5"),
        (rows[..., :8], options, "its width is 8, Stable Diffusion 3.5 Medium reads 32: .*of another model family"),
    ):
        with pytest.raises(DiffusionError, match=told):
            sampled(model, clip, positive=[[cond, given]])
    with pytest.raises(DiffusionError, match="4 channels, the model takes 16"):
        sampled(model, clip, {"samples": torch.ones(1, 4, 4, 4)})
    with pytest.raises(CheckpointError, match=r"are clip_l \+ clip_g \+ t5xxl, or some of them, got t5xxl \+ t5xxl"):
        load_clip([files["t5xxl"], files["t5xxl"]], "sd3", **ON_CPU)
    control = written(
        folder / "c.safetensors", "diffusion_models", **{"x_embedder.proj.weight": torch.zeros(64, 33, 2, 2)}
    )
    with pytest.raises(CheckpointError, match="reads 33 channels and gives 16: expected 16 and 16"):
        load_unet(control, **ON_CPU)
