"""LoRA files on models: names, formats against their definitions, errors.

ComfyUI's goldens: clip_lora_* in test_text, lora_* and xl_lora, which sample, in tests/parity.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, PatchError
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.lora_formats import FORMATS, Inert, build_patch
from weft.nodes.diffusion.weights.lora_names import ENDINGS, split_key

CONV, LINEAR = torch.Size((6, 4, 3, 3)), torch.Size((6, 4))


def close(got: Tensor, expected: Tensor) -> None:
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def build(shape: torch.Size, **tensors: Tensor):
    return build_patch("layer", tensors, "id", shape)


def change(shape: torch.Size, strength: float = 1.0, **tensors: Tensor) -> Tensor:
    weight = noise(*shape)
    kept = weight.clone()
    patched = build(shape, **tensors).apply(weight, strength)
    assert torch.equal(weight, kept) and patched.dtype == torch.float32
    return patched - weight


# Formats, against their definitions


def test_linear() -> None:
    up, down = noise(6, 2), noise(2, 4)
    close(change(LINEAR, up=up, down=down), up @ down)  # without alpha the scale is 1
    close(change(LINEAR, 0.5, up=up, down=down, alpha=torch.tensor(3.0)), 0.5 * 3 / 2 * up @ down)
    close(change(LINEAR, -1.0, up=up, down=down, alpha=torch.tensor([1.0])), -0.5 * up @ down)


def test_factors_of_any_number_format() -> None:
    up, down = noise(6, 2).half(), noise(2, 4).bfloat16()
    close(change(LINEAR, up=up, down=down), up.float() @ down.float())


def test_linear_factors_on_a_1x1_convolution() -> None:
    up, down = noise(6, 2), noise(2, 4)
    close(change(torch.Size((6, 4, 1, 1)), up=up, down=down), (up @ down)[..., None, None])


def test_convolution() -> None:
    up, down = noise(6, 2, 1, 1), noise(2, 4, 3, 3)
    # Two convolutions one after the other are one whose kernel is their product.
    image = noise(1, 4, 5, 5)
    both = torch.conv2d(torch.conv2d(image, down), up)
    close(torch.conv2d(image, change(CONV, up=up, down=down)), both)


def test_convolution_with_a_tucker_core() -> None:
    up, mid, down = noise(6, 2, 1, 1), noise(2, 3, 3, 3), noise(3, 4, 1, 1)
    image = noise(1, 4, 5, 5)
    three = torch.conv2d(torch.conv2d(torch.conv2d(image, down), mid), up)
    got = change(CONV, up=up, down=down, mid=mid, alpha=torch.tensor(1.5))
    close(torch.conv2d(image, got), 1.5 / 3 * three)


def test_loha() -> None:
    a, b, c, d = noise(6, 2), noise(2, 36), noise(6, 2) + 1, noise(2, 36) - 1
    got = change(CONV, hada_w1_a=a, hada_w1_b=b, hada_w2_a=c, hada_w2_b=d, alpha=torch.tensor(1.0))
    close(got, ((a @ b) * (c @ d) / 2).reshape(CONV))


def test_loha_with_tucker_cores() -> None:
    t1, t2 = noise(2, 2, 3, 3), noise(2, 2, 3, 3) + 1
    a, b, c, d = noise(2, 6), noise(2, 4), noise(2, 6) + 1, noise(2, 4) - 1
    got = change(CONV, hada_t1=t1, hada_t2=t2, hada_w1_a=a, hada_w1_b=b, hada_w2_a=c, hada_w2_b=d)
    one = torch.einsum("ijkl,ip,jr->prkl", t1, a, b)
    close(got, one * torch.einsum("ijkl,ip,jr->prkl", t2, c, d))


def test_lokr() -> None:
    w1, w2 = noise(2, 2), noise(3, 2)
    alpha = torch.tensor(5.0)
    # Two full factors: alpha does not count.
    close(change(LINEAR, lokr_w1=w1, lokr_w2=w2, alpha=alpha), torch.kron(w1, w2))
    a, b = noise(3, 4), noise(4, 2)
    close(change(LINEAR, lokr_w1=w1, lokr_w2_a=a, lokr_w2_b=b, alpha=alpha), 5 / 4 * torch.kron(w1, a @ b))
    c, d = noise(2, 1), noise(1, 2)
    close(change(LINEAR, lokr_w1_a=c, lokr_w1_b=d, lokr_w2=w2, alpha=alpha), 5 * torch.kron(c @ d, w2))


def test_lokr_on_a_convolution() -> None:
    w1, w2 = noise(2, 2), noise(3, 2, 3, 3)
    got = change(CONV, lokr_w1=w1, lokr_w2=w2)
    close(got, torch.kron(w1[..., None, None], w2))
    core, a, b = noise(2, 2, 3, 3), noise(2, 3), noise(2, 2)
    got = change(CONV, lokr_w1=w1, lokr_t2=core, lokr_w2_a=a, lokr_w2_b=b, alpha=torch.tensor(1.0))
    two = torch.einsum("ijkl,ip,jr->prkl", core, a, b).contiguous()
    close(got, torch.kron(w1[..., None, None], two) / 2)


@pytest.mark.parametrize("strength", [1.0, 0.3])
@pytest.mark.parametrize("form", [(1, 4, 1, 1), (1, 4), (4,)])
def test_dora_gives_columns_their_magnitude(form: tuple[int, ...], strength: float) -> None:
    weight, up, down = noise(*CONV), noise(6, 2, 1, 1), noise(2, 4, 3, 3)
    magnitude = noise(4).abs() + 0.1
    patch = build(CONV, up=up, down=down, dora_scale=magnitude.reshape(form))
    whole = patch.apply(weight, 1.0)
    close(whole.transpose(0, 1).flatten(1).norm(dim=1), magnitude)
    close(patch.apply(weight, strength), weight + strength * (whole - weight))


def test_dora_may_give_rows_their_magnitude() -> None:
    magnitude = noise(6, 1).abs() + 0.1
    patch = build(LINEAR, up=noise(6, 2), down=noise(2, 4), dora_scale=magnitude)
    close(patch.apply(noise(*LINEAR), 1.0).norm(dim=1, keepdim=True), magnitude)


def test_dora_keeps_a_weight_that_has_its_magnitude_already() -> None:
    weight = noise(*LINEAR)
    zero = {"up": torch.zeros(6, 2), "down": noise(2, 4), "dora_scale": weight.norm(dim=0, keepdim=True)}
    close(build(LINEAR, **zero).apply(weight, 0.7), weight)


def test_pefts_magnitudes_are_of_rows() -> None:
    magnitude = noise(4).abs() + 0.1
    square = torch.Size((4, 4))
    factors = {"up": noise(4, 2), "down": noise(2, 4)}
    for form in ((4,), (4, 1)):
        patch = build(square, **factors, magnitude=magnitude.reshape(form))
        close(patch.apply(noise(4, 4), 1.0).norm(dim=1), magnitude)
    conv = build(CONV, up=noise(6, 2, 1, 1), down=noise(2, 4, 3, 3), magnitude=noise(1, 6, 1, 1).abs() + 0.1)
    close(conv.apply(noise(*CONV), 1.0).flatten(1).norm(dim=1), noise(1, 6, 1, 1).abs().flatten() + 0.1)


@pytest.mark.parametrize("role", ["diff", "w_norm", "diff_b", "b_norm"])
def test_differences_are_added_as_they_are(role: str) -> None:
    shape = LINEAR if role == "diff" else torch.Size((6,))
    difference = noise(*shape)
    close(change(shape, 0.5, **{role: difference, "alpha": torch.tensor(3.0)}), 0.5 * difference)


def glora() -> dict[str, Tensor]:
    return {"a1": noise(4, 2), "a2": noise(2, 4) + 1, "b1": noise(6, 2), "b2": noise(2, 4) - 1}


def test_glora_changes_what_goes_in_and_what_comes_out() -> None:
    """Chavan et al. 2023: y = W (x + A x) + B x, here with low-rank A = a1 a2 and B = b1 b2."""
    weight, x, f = noise(*LINEAR), noise(5, 4), glora()
    got = build(LINEAR, **f, alpha=torch.tensor(1.0)).apply(weight, 0.5)
    inner, outer = (0.25 * f[f"{side}1"] @ f[f"{side}2"] for side in "ab")
    close(x @ got.T, (x + x @ inner.T) @ weight.T + x @ outer.T)
    # The names of old: each pair the other way round.
    old = {"a1": f["a2"], "a2": f["a1"], "b1": f["b2"], "b2": f["b1"]}
    close(build(LINEAR, **old, alpha=torch.tensor(1.0)).apply(weight, 0.5), got)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_both_orders_of_glora_on_a_square_layer(rank: int) -> None:
    """There the shapes of both orders fit each other, and the wide side tells; at full rank it is the old one."""
    weight = noise(4, 4)
    wide, low = noise(4, rank), noise(rank, 4)
    alpha = torch.tensor(1.0)
    new = build(weight.shape, a1=wide, a2=low, b1=wide, b2=low, alpha=alpha).apply(weight, 1.0)
    old = build(weight.shape, a1=low, a2=wide, b1=low, b2=wide, alpha=alpha).apply(weight, 1.0)
    close(old, weight + (weight @ wide @ low + wide @ low) / rank)
    close(new, old if rank < 4 else weight + (weight @ low @ wide + low @ wide) / rank)


def test_glora_on_a_convolution() -> None:
    weight, image = noise(*CONV), noise(1, 4, 5, 5)
    a1, a2, b1, b2 = noise(4, 2, 1, 1), noise(2, 4, 1, 1), noise(6, 2, 1, 1), noise(2, 4, 3, 3)
    got = build(CONV, a1=a1, a2=a2, b1=b1, b2=b2).apply(weight, 1.0)
    before = image + torch.conv2d(torch.conv2d(image, a2), a1)
    close(torch.conv2d(image, got), torch.conv2d(before, weight) + torch.conv2d(torch.conv2d(image, b2), b1))


def rotations(blocks: Tensor, bound: float = torch.inf) -> Tensor:
    """Cayley's transform by solving, one block at a time; the skew part scaled to the bound as a whole."""
    skew = torch.stack([block - block.T for block in blocks.flatten(0, -3)])
    skew = skew * min(1.0, bound / float(skew.flatten().norm()))
    still = torch.eye(blocks.shape[-1])
    return torch.stack([torch.linalg.solve(still - s, still + s, left=False) for s in skew]).reshape(blocks.shape)


@pytest.mark.parametrize("shape", [LINEAR, CONV])
@pytest.mark.parametrize("alpha", [0.0, 0.05, 100.0])
def test_oft_turns_blocks_of_output_channels(shape: torch.Size, alpha: float) -> None:
    """Qiu et al. 2023: a block-diagonal rotation before the weight; in ComfyUI alpha bounds it, strength is squared."""
    blocks = noise(3, 2, 2)
    turns = rotations(blocks, alpha or torch.inf)
    close(turns @ turns.mT, torch.eye(2).expand(3, 2, 2))
    weight = noise(*shape)
    patch = build(shape, oft_blocks=blocks, alpha=torch.tensor(alpha))
    whole = torch.tensordot(torch.block_diag(*turns).T, weight, dims=1)
    close(patch.apply(weight, 1.0), whole)
    close(patch.apply(weight, 0.4), weight + 0.16 * (whole - weight))
    stretch = noise(6, *[1] * (len(shape) - 1))
    stretched = build(shape, oft_blocks=blocks, rescale=stretch, alpha=torch.tensor(alpha))
    close(stretched.apply(weight, 1.0), whole * stretch)


def butterfly(channels: int, stage: int, size: int) -> Tensor:
    """The permutation of one stage: which channel comes to which place, written out."""
    half = 2**stage * (size // 2)
    matrix = torch.zeros(channels, channels)
    for channel in range(channels):
        group, rest = divmod(channel, 2 * half)
        side, place = divmod(rest, half)
        matrix[group * 2 * half + place * 2 + side, channel] = 1.0
    return matrix


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_boft_is_a_product_of_permuted_rotations(strength: float, alpha: float) -> None:
    """Liu et al. 2024, section 4: each factor is P^T diag(R_1 .. R_k) P; the strength is taken in each and of all."""
    blocks, weight = noise(3, 4, 2, 2), noise(8, 5, 3, 3)
    whole = torch.eye(8)
    for stage, turns in enumerate(rotations(blocks, alpha or torch.inf)):
        factor = torch.block_diag(*(strength * turns + (1 - strength) * torch.eye(2)))
        moved = butterfly(8, stage, 2)
        whole = moved.T @ factor @ moved @ whole
    patch = build(weight.shape, oft_blocks=blocks, alpha=torch.tensor(alpha))
    turned = torch.tensordot(whole, weight, dims=1)
    close(patch.apply(weight, strength), weight + strength * (turned - weight))
    stretch = noise(8)
    stretched = build(weight.shape, oft_blocks=blocks, rescale=stretch, alpha=torch.tensor(alpha))
    expected = turned * stretch[:, None, None, None]
    close(stretched.apply(weight, strength), weight + strength * (expected - weight))


def test_boft_without_alpha_is_inert() -> None:
    with pytest.raises(Inert, match="'layer' is a BOFT without alpha"):
        build(torch.Size((8, 5)), oft_blocks=noise(3, 4, 2, 2))


def test_a_product_takes_the_shape_of_the_weight() -> None:
    """As in ComfyUI, where a LoRA of another family happens to have as many numbers; a difference does not."""
    up, down = noise(4, 2), noise(2, 6)
    close(change(LINEAR, up=up, down=down), (up @ down).reshape(LINEAR))
    with pytest.raises(PatchError, match=r"diff \(6, 4, 1, 1\) make \(6, 4, 1, 1\), expected \(6, 4\)"):
        build(LINEAR, diff=noise(6, 4, 1, 1))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"up": (6, 2)}, r"has the factors \['up'\]: no lora, loha, lokr"),
        ({"up": (6, 2), "down": (2, 4), "lokr_w1": (2, 2)}, "no lora, loha, lokr"),
        ({"alpha": ()}, r"has the factors \[\]"),
        ({"up": (6, 2), "down": (3, 4)}, r"down \(3, 4\), up \(6, 2\) do not fit each other"),
        ({"up": (6, 2), "down": (2, 5)}, r"make \(6, 5\), expected \(6, 4\)"),
        ({"up": (), "down": (2, 6)}, "do not fit each other"),
        ({"lokr_w1": (5, 2), "lokr_w2": (3, 2)}, r"make \(15, 4\), expected \(6, 4\)"),
        ({"lokr_w1": (2, 2, 1, 1), "lokr_w2": (3, 3)}, r"make \(2, 2, 3, 3\), expected \(6, 4\)"),
        ({"up": (6, 2), "down": (2, 4), "alpha": (2,)}, r"alpha of shape \(2,\), expected one number"),
        ({"up": (6, 2), "down": (2, 4), "dora_scale": (1, 5)}, r"dora_scale of shape \(1, 5\), expected \(6, 1\) or"),
        ({"up": (6, 2), "down": (2, 4), "dora_scale": (1, 6)}, r"dora_scale of shape \(1, 6\)"),
        ({"up": (6, 2), "down": (2, 4), "magnitude": (4,)}, r"lora_magnitude_vector of shape \(4,\), expected \(6,\)"),
        ({"diff": (4, 6)}, r"diff \(4, 6\) make \(4, 6\), expected \(6, 4\)"),
        ({"diff": (6, 4), "diff_b": (6,)}, r"has the factors \['diff', 'diff_b'\]"),
        ({"a1": (3, 2), "a2": (2, 3), "b1": (6, 2), "b2": (2, 3)}, r"do not fit each other, or \(6, 4\)"),
        ({"oft_blocks": (4, 2, 2)}, r"oft_blocks \(4, 2, 2\) do not fit each other, or \(6, 4\)"),
        ({"oft_blocks": (2, 3, 2, 2), "alpha": ()}, r"oft_blocks \(2, 3, 2, 2\) do not fit each other, or \(6, 4\)"),
        ({"oft_blocks": (3, 2, 2), "rescale": (5, 1)}, r"do not fit each other, or \(6, 4\)"),
        ({"rescale": (6, 1)}, r"has the factors \['rescale'\]"),
    ],
)
def test_what_does_not_fit(tensors: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(PatchError, match=message) as raised:
        build(LINEAR, **{role: torch.ones(shape) for role, shape in tensors.items()})
    assert "'layer'" in str(raised.value)


def test_patches_know_what_they_hold() -> None:
    patch = build(LINEAR, up=noise(6, 2).half(), down=noise(2, 4), dora_scale=noise(1, 4))
    assert patch.nbytes == 6 * 2 * 2 + 2 * 4 * 4 + 4 * 4
    assert patch.identity == "id"


def test_every_role_is_some_formats() -> None:
    used = {role for each in FORMATS.values() for spelling in each.spellings for role in spelling}
    assert {*ENDINGS.values(), "set"} == used | {"alpha", "dora_scale", "magnitude"}
    assert all(split_key(f"layer{ending}") == ("layer", role) for ending, role in ENDINGS.items())
    assert split_key("layer.weight") is None
    assert split_key("double_blocks.0.img_attn.norm.key_norm.scale") == (
        "double_blocks.0.img_attn.norm.key_norm",
        "set",
    )
    for bias in ("lora_B.bias", "lora_B.default.bias"):
        assert split_key(f"layer.{bias}") == ("layer", "diff_b")
    # peft's names, with and without the adapter's and `weight`.
    for end in ("", ".weight", ".default", ".default.weight", ".default_0.weight", ".my lora.weight"):
        for name, role in (("lora_A", "down"), ("lora_B", "up"), ("lora_magnitude_vector", "magnitude")):
            assert split_key(f"layer.{name}{end}") == ("layer", role)


# Names


@pytest.fixture(scope="module")
def sd15(parity: Path) -> LoadedCheckpoint:
    return load_checkpoint(
        parity / "models" / "checkpoints" / "tiny_sd15.safetensors", device=torch.device("cpu"), dtype=torch.float32
    )


@pytest.fixture(scope="module")
def sdxl(parity: Path) -> LoadedCheckpoint:
    return load_checkpoint(
        parity / "models" / "checkpoints" / "tiny_sdxl.safetensors", device=torch.device("cpu"), dtype=torch.float32
    )


TO_Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TO_OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
K_PROJ = "text_model.encoder.layers.0.self_attn.k_proj"
UNET_NAMES = {
    f"lora_unet_{TO_Q.replace('.', '_')}": TO_Q,
    f"unet.{TO_Q}": TO_Q,
    TO_Q: TO_Q,
    "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q": TO_Q,
    "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q": TO_Q,
    f"unet.{TO_Q.replace('.to_q', '.processor.to_q')}": TO_Q,
    f"unet.{TO_OUT.removesuffix('.0').replace('.to_out', '.processor.to_out')}": TO_OUT,
    f"lycoris_{TO_Q.replace('.', '_')}": TO_Q,
    "lycoris_input_blocks_1_1_transformer_blocks_0_attn1_to_q": TO_Q,
    f"base_model.model.{TO_Q}": TO_Q,
    f"unet.base_model.model.{TO_Q}": TO_Q,
    "unet.input_blocks.1.1.transformer_blocks.0.attn1.to_q": TO_Q,
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q": TO_Q,
    "lora_unet_conv_in": "conv_in",
    "lora_unet_time_embed_0": "time_embedding.linear_1",
}


def lora_file(folder: Path, layer: str, weight: Tensor, up: str = ".lora_up.weight") -> Path:
    down = up.replace("up", "down").replace("lora_B", "lora_A")
    flat = weight.flatten(1)
    path = folder / "test.safetensors"
    save_file({layer + up: torch.ones(flat.shape[0], 1), layer + down: torch.ones(1, flat.shape[1])}, path)
    return path


@pytest.mark.parametrize("layer", UNET_NAMES)
def test_names_of_unet_layers(sd15: LoadedCheckpoint, tmp_path: Path, layer: str) -> None:
    name = f"{UNET_NAMES[layer]}.weight"
    base = sd15.model.network.base.get_parameter(name)
    model, _, report = apply_lora(sd15.model, None, load_lora(lora_file(tmp_path, layer, base)), 2.0, 1.0)
    assert report.matched == {layer: f"unet.{name}"} and not report.unmatched and not report.left_out
    assert model is not None
    close(model.network.module().get_parameter(name), base + 2)
    assert torch.equal(sd15.model.network.module().get_parameter(name), base)


@pytest.mark.parametrize("up", [ending for ending, role in ENDINGS.items() if role == "up"])
def test_spellings_of_a_layers_factors(sd15: LoadedCheckpoint, tmp_path: Path, up: str) -> None:
    base = sd15.model.network.base.get_parameter(f"{TO_Q}.weight")
    lora = load_lora(lora_file(tmp_path, f"unet.{TO_Q}", base, up))
    assert apply_lora(sd15.model, None, lora, 1.0, 1.0)[2].matched == {f"unet.{TO_Q}": f"unet.{TO_Q}.weight"}


@pytest.mark.parametrize(
    ("layer", "encoder"),
    [
        (f"lora_te1_{K_PROJ.replace('.', '_')}", "clip_l"),
        (f"lora_te_{K_PROJ.replace('.', '_')}", "clip_l"),
        (f"text_encoder.{K_PROJ}", "clip_l"),
        (f"lora_te2_{K_PROJ.replace('.', '_')}", "clip_g"),
        (f"text_encoder_2.{K_PROJ}", "clip_g"),
        ("lora_te2_text_projection", "clip_g"),
        (f"text_encoders.clip_l.transformer.{K_PROJ}", "clip_l"),
        (f"text_encoders.clip_g.transformer.{K_PROJ}", "clip_g"),
        ("text_encoders.clip_g.transformer.text_projection", "clip_g"),
        (f"clip_l.{K_PROJ}", "clip_l"),
        (f"clip_g.transformer.{K_PROJ}", "clip_g"),
        (f"lycoris_{K_PROJ.replace('.', '_')}", "clip_l"),
        (f"base_model.model.{K_PROJ}", "clip_l"),
        (f"text_encoder.{K_PROJ}".replace("k_proj", "to_k"), "clip_l"),
        (f"text_encoder_2.{K_PROJ.removeprefix('text_model.')}", "clip_g"),
        (f"lora_te1_{K_PROJ.removeprefix('text_model.').replace('.', '_')}", "clip_l"),
        ("text_encoder_2.text_projection", "clip_g"),
    ],
)
def test_names_of_text_layers(sdxl: LoadedCheckpoint, tmp_path: Path, layer: str, encoder: str) -> None:
    assert sdxl.clip is not None
    width = {"clip_l": 48, "clip_g": 80}[encoder]
    lora = load_lora(lora_file(tmp_path, layer, torch.empty(width, width)))
    _, clip, report = apply_lora(None, sdxl.clip, lora, 1.0, 1.0)
    assert clip is not None and report.matched.keys() == {layer}
    assert report.matched[layer].startswith(f"{encoder}.") and report.matched[layer].endswith(".weight")
    patched = {each.name: len(each.network.patches) for each in clip.encoders}
    assert patched == {"clip_l": 0, "clip_g": 0} | {encoder: 1}


# Files


def test_every_file_matches_without_rest(parity: Path, sd15: LoadedCheckpoint, sdxl: LoadedCheckpoint) -> None:
    for path in sorted((parity / "models" / "loras").glob("*.safetensors")):
        if path.stem in ("tiny_lora_sd2", "x_boft_noalpha"):
            continue  # of another family; without an effect in ComfyUI
        base = sdxl if "_xl_" in path.name else sd15
        lora = load_lora(path)
        _, _, report = apply_lora(base.model, base.clip, lora, 1.0, 1.0)
        assert report.unmatched == report.left_out == ()
        assert len(set(report.matched.values())) == len(report.matched) == len(lora.layers) > 0


def test_weights_and_biases_of_a_layer(sd15: LoadedCheckpoint, tmp_path: Path) -> None:
    """Full differences, norms too, beside a LoRA of the same layer and alone."""
    norm = "mid_block.resnets.0.norm1"
    layers = {"lora_unet_conv_in": "conv_in", "lora_unet_middle_block_0_in_layers_0": norm}
    base = {
        name: sd15.model.network.base.get_parameter(name)
        for module in layers.values()
        for name in (f"{module}.weight", f"{module}.bias")
    }
    tensors = {
        "lora_unet_conv_in.lora_up.weight": noise(32, 2, 1, 1),
        "lora_unet_conv_in.lora_down.weight": noise(2, 4, 3, 3),
        "lora_unet_conv_in.alpha": torch.tensor(1.0),
        "lora_unet_conv_in.diff_b": noise(32),
        "lora_unet_middle_block_0_in_layers_0.w_norm": noise(128),
        "lora_unet_middle_block_0_in_layers_0.b_norm": noise(128) + 1,
        "unet.conv_out.diff_b": noise(4),
    }
    save_file(tensors, tmp_path / "full.safetensors")
    model, _, report = apply_lora(sd15.model, None, load_lora(tmp_path / "full.safetensors"), 0.5, 0.0)
    assert model is not None and not report.unmatched
    assert report.matched["unet.conv_out"] == "unet.conv_out.bias"
    got = dict(model.network.module().named_parameters())
    close(got["conv_in.bias"], base["conv_in.bias"] + 0.5 * noise(32))
    up, down = noise(32, 2, 1, 1).flatten(1), noise(2, 4, 3, 3).flatten(1)
    close(got["conv_in.weight"], base["conv_in.weight"] + 0.25 * (up @ down).reshape(32, 4, 3, 3))
    close(got[f"{norm}.weight"], base[f"{norm}.weight"] + 0.5 * noise(128))
    close(got[f"{norm}.bias"], base[f"{norm}.bias"] + 0.5 * (noise(128) + 1))


def test_what_nobody_takes_is_reported(sd15: LoadedCheckpoint, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    tensors = {
        "lora_unet_conv_in.lora_up.weight": torch.ones(32, 1),
        "lora_unet_conv_in.lora_down.weight": torch.ones(1, 4, 3, 3),
        "lora_unet_other.lora_up.weight": torch.ones(1, 1),
        "lora_te_other.lora_up.weight": torch.ones(1, 1),
        "lora_te_text_model_encoder_layers_0_layer_norm1.b_norm": torch.ones(64),
        "lora_unet_conv_in.diff_b": torch.ones(32),
        f"lora_unet_{TO_Q.replace('.', '_')}.diff_b": torch.ones(32),
        "something": torch.ones(1),
    }
    save_file(tensors, path)
    lora = load_lora(path)
    _, _, report = apply_lora(sd15.model, sd15.clip, lora, 1.0, 1.0)
    no_bias = f"lora_unet_{TO_Q.replace('.', '_')}.diff_b"
    assert set(report.unmatched) == {no_bias, "something", "lora_unet_other", "lora_te_other"}
    _, _, report = apply_lora(sd15.model, None, lora, 1.0, 1.0)
    assert set(report.left_out) == {"lora_te_other", "lora_te_text_model_encoder_layers_0_layer_norm1"}
    _, _, report = apply_lora(None, sd15.clip, lora, 1.0, 1.0)
    assert set(report.left_out) == {"lora_unet_conv_in", no_bias.removesuffix(".diff_b"), "lora_unet_other"}


def test_a_layer_that_does_not_fit_is_left_out(sd15: LoadedCheckpoint, tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    tensors = {
        "lora_unet_conv_in.lora_up.weight": torch.ones(32, 1),
        "lora_unet_conv_in.lora_down.weight": torch.ones(1, 9, 3, 3),
        "lora_unet_conv_out.diff_b": torch.ones(4),
    }
    save_file(tensors, path)
    model, _, report = apply_lora(sd15.model, None, load_lora(path), 1.0, 1.0)
    assert model is not None and model.network.patches.keys() == {"conv_out.bias"}
    assert report.misfits.keys() == {"lora_unet_conv_in"} and not report.unmatched
    assert "make (32, 81), expected (32, 4, 3, 3)" in report.misfits["lora_unet_conv_in"]


def test_a_lora_of_another_model(parity: Path, sd15: LoadedCheckpoint, sdxl: LoadedCheckpoint) -> None:
    """What fits acts, the rest is reported; where nothing fits, that is an error."""
    assert sdxl.clip is not None
    wide = load_lora(parity / "models" / "loras" / "tiny_lora_kohya.safetensors")
    model, _, report = apply_lora(sdxl.model, sdxl.clip, wide, 1.0, 1.0)
    assert model is not None and model.network.patches and report.misfits and report.unmatched
    assert "lora_te_text_model_encoder_layers_0_mlp_fc1" in report.misfits
    with pytest.raises(
        PatchError, match=r"of the 210 layers of 'tiny_lora_kohya\.safetensors' none fits .*: layer 'lora_te"
    ):
        apply_lora(None, sdxl.clip, wide, 1.0, 1.0)


def test_a_lora_whose_names_are_of_no_layer(sd15: LoadedCheckpoint, tmp_path: Path) -> None:
    tensors = {"transformer.a.lora_A.weight": torch.ones(1, 1), "transformer.a.lora_B.weight": torch.ones(1, 1)}
    save_file(tensors, tmp_path / "flux.safetensors")
    with pytest.raises(
        PatchError, match=r"of the 1 layers of 'flux\.safetensors' none fits .* names are 'transformer\.a'"
    ):
        apply_lora(sd15.model, sd15.clip, load_lora(tmp_path / "flux.safetensors"), 1.0, 1.0)


def test_a_file_without_a_lora(parity: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'tiny_vae\.safetensors' is no LoRA: of its 248 keys none"):
        load_lora(parity / "models" / "vae" / "tiny_vae.safetensors")
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(CheckpointError, match="none at all"):
        load_lora(tmp_path / "empty.safetensors")
    with pytest.raises(CheckpointError, match="no such file"):
        load_lora(tmp_path / "absent.safetensors")


def test_strengths(parity: Path, sd15: LoadedCheckpoint) -> None:
    lora = load_lora(parity / "models" / "loras" / "tiny_lora_kohya.safetensors")
    model, clip, report = apply_lora(sd15.model, sd15.clip, lora, 0.0, 0.0)
    assert len(report.matched) == 210
    assert model is not None and model.network.module() is sd15.model.network.module()
    assert clip is not None and sd15.clip is not None
    assert clip.encoders[0].network.module() is sd15.clip.encoders[0].network.module()
    model, clip, _ = apply_lora(sd15.model, sd15.clip, lora, 0.0, 1.0)
    assert model is not None and clip is not None and not model.network.patches and clip.encoders[0].network.patches


def test_twice_the_same_is_one(parity: Path, sd15: LoadedCheckpoint, tmp_path: Path) -> None:
    path = parity / "models" / "loras" / "tiny_lora_kohya.safetensors"
    one, two = (apply_lora(sd15.model, None, load_lora(path), 1.0, 1.0)[0] for _ in range(2))
    assert one is not None and two is not None and one.network.module() is two.network.module()
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(path.read_bytes())
    assert load_lora(copy).source != load_lora(path).source


def test_a_patch_reads_the_file_when_it_is_needed(parity: Path) -> None:
    """Opening maps the file: the tensors of a layer share its memory."""
    lora = load_lora(parity / "models" / "loras" / "tiny_lora_kohya.safetensors")
    factors = lora.layers["lora_unet_mid_block_attentions_0_proj_in"]
    assert factors["up"].untyped_storage().nbytes() >= factors["up"].nbytes
    assert factors["up"].dtype == torch.float16


@pytest.mark.parametrize("name", ["tiny_lora_kohya", "tiny_locon", "tiny_loha", "tiny_lokr", "tiny_dora"])
def test_a_file_against_its_formats_definition(parity: Path, sd15: LoadedCheckpoint, name: str) -> None:
    """One weight, computed here from the raw tensors in float64."""
    path = parity / "models" / "loras" / f"{name}.safetensors"
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    parameter = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    raw = {key.split(".", 1)[1]: t.double() for key, t in load_file(path).items() if key.startswith(f"{layer}.")}
    base = sd15.model.network.base.get_parameter(parameter).double()
    scale = raw["alpha"].item()
    match sorted(raw):
        case ["alpha", "lora_down.weight", "lora_up.weight"]:
            expected = base + scale / 4 * raw["lora_up.weight"] @ raw["lora_down.weight"]
        case ["alpha", "dora_scale", "lora_down.weight", "lora_up.weight"]:
            merged = base + scale / 4 * raw["lora_up.weight"] @ raw["lora_down.weight"]
            expected = merged / merged.norm(dim=0, keepdim=True) * raw["dora_scale"]
        case ["alpha", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]:
            expected = base + scale / 4 * (raw["hada_w1_a"] @ raw["hada_w1_b"]) * (raw["hada_w2_a"] @ raw["hada_w2_b"])
        case ["alpha", "lokr_w1", "lokr_w2"]:
            expected = base + torch.kron(raw["lokr_w1"], raw["lokr_w2"])
        case ["alpha", "lokr_w1", "lokr_w2_a", "lokr_w2_b"]:
            expected = base + scale / 2 * torch.kron(raw["lokr_w1"], raw["lokr_w2_a"] @ raw["lokr_w2_b"])
        case other:
            raise AssertionError(other)
    model = apply_lora(sd15.model, None, load_lora(path), 1.0, 1.0)[0]
    assert model is not None
    close(model.network.module().get_parameter(parameter), expected.float())


def test_a_file_of_the_same_size_and_date_is_another(tmp_path: Path) -> None:
    """What a LoRA made of a weight is kept under its identity: that of a replaced file must be another."""
    path = lora_file(tmp_path, f"unet.{TO_Q}", torch.zeros(4, 4))
    os.utime(path, ns=(1, 1))
    before = load_lora(path)
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(1, 1))
    assert load_lora(path).source != before.source
