"""Each family's released sizes: a file of these shapes is recognised by them alone, and lands whole in its network.

No weights: networks are on the meta device. The sizes are those of the publishers' configurations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from weft.nodes.diffusion.families import recognise, recognise_patch, release_in
from weft.nodes.diffusion.families.model_patches import PatchKind
from weft.nodes.diffusion.families.protocol import Kind
from weft.nodes.diffusion.families.qwen.diffsynth import BlockwiseKind
from weft.nodes.diffusion.families.sd.tiny import shapes_of
from weft.nodes.diffusion.families.zimage.fun import FunKind
from weft.nodes.diffusion.text.qwen import qwen_part
from weft.nodes.diffusion.text.t5 import t5_part
from weft.nodes.diffusion.weights.networks import check

from .released import QWEN, QWEN21, SD3_LARGE, ZIMAGE, Shapes, flux, flux2, flux3, qwen_file, t5_file, wan

pytestmark = pytest.mark.slow


class Released(NamedTuple):
    """What is published: sizes, how many billions of numbers the model has, and some of the file's shapes."""

    kind: Kind
    title: str
    billions: float
    some: Shapes


OF_FLUX: Shapes = {
    "double_blocks.18.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.37.linear1.weight": (21504, 3072),
    "final_layer.linear.weight": (64, 3072),
}
OF_WAN: Shapes = {"blocks.39.ffn.2.weight": (5120, 13824), "head.head.weight": (64, 5120)}
OF_VACE: Shapes = {
    "vace_patch_embedding.weight": (1536, 96, 1, 2, 2),
    "vace_blocks.0.before_proj.weight": (1536, 1536),
    "vace_blocks.14.after_proj.weight": (1536, 1536),
    "vace_blocks.14.self_attn.q.weight": (1536, 1536),
}
RELEASED = {
    "flux dev": Released(
        flux(guidance=True), "FLUX.1 dev", 11.90, OF_FLUX | {"guidance_in.in_layer.weight": (3072, 256)}
    ),
    "flux schnell": Released(flux(guidance=False), "FLUX.1 schnell", 11.89, OF_FLUX),
    "flux.2 dev": Released(
        flux2(8, 48, 48, 15360, guidance=True),
        "FLUX.2 dev",
        32.22,
        {"double_blocks.7.img_attn.qkv.weight": (18432, 6144), "single_blocks.47.linear1.weight": (55296, 6144)},
    ),
    "flux.2 klein 4B": Released(
        flux2(5, 20, 24, 7680, guidance=False),
        "FLUX.2 klein",
        3.88,
        {"double_blocks.4.img_attn.qkv.weight": (9216, 3072), "txt_in.weight": (3072, 7680)},
    ),
    "flux.3 klein": Released(
        flux3(distilled=True),
        "FLUX.3 klein",
        5.55,
        {"txt_in.weight": (3072, 20480), "single_blocks.27.mlp_in.weight": (18432, 3072)},
    ),
    "sd3.5 large": Released(
        SD3_LARGE,
        "Stable Diffusion 3.5 Large",
        8.15,  # with the table of positions, which is in the file
        {"joint_blocks.37.x_block.attn.qkv.weight": (7296, 2432), "context_embedder.weight": (2432, 4096)},
    ),
    "wan 1.3B": Released(wan(1536, 30, 8960, 16, 16), "Wan text-to-video", 1.42, {}),
    "wan 14B": Released(wan(5120, 40, 13824, 16, 16), "Wan text-to-video", 14.29, OF_WAN),
    "wan 2.2 i2v 14B": Released(
        wan(5120, 40, 13824, 36, 16),
        "Wan image-to-video",
        14.29,
        OF_WAN | {"patch_embedding.weight": (5120, 36, 1, 2, 2)},
    ),
    "wan 2.1 i2v 14B": Released(
        wan(5120, 40, 13824, 36, 16, vision=True),
        "Wan 2.1 image-to-video",
        16.39,
        OF_WAN | {"blocks.39.cross_attn.k_img.weight": (5120, 5120), "img_emb.proj.3.weight": (5120, 1280)},
    ),
    "wan 2.2 5B": Released(wan(3072, 30, 14336, 48, 48), "Wan 2.2 5B", 5.00, {"head.head.weight": (192, 3072)}),
    "wan vace 1.3B": Released(
        wan(1536, 30, 8960, 16, 16, vace_layers=list(range(0, 30, 2)), vace_in_channels=96), "Wan VACE", 2.15, OF_VACE
    ),
    "wan vace 14B": Released(
        wan(5120, 40, 13824, 16, 16, vace_layers=list(range(0, 40, 5)), vace_in_channels=96), "Wan VACE", 17.34, OF_WAN
    ),
    "wan 2.1 fun control 14B": Released(
        wan(5120, 40, 13824, 48, 16, vision=True, reference_channels=16), "Wan 2.1 Fun control", 16.4, OF_WAN
    ),
    "wan 2.2 fun control 14B": Released(
        wan(5120, 40, 13824, 52, 16, reference_channels=16),
        "Wan Fun control",
        14.29,
        OF_WAN | {"ref_conv.weight": (5120, 16, 2, 2)},
    ),
    "wan 2.2 fun camera 14B": Released(
        wan(5120, 40, 13824, 36, 16, camera_channels=1536, camera_blocks=1),
        "Wan Fun camera",
        14.79,
        OF_WAN
        | {
            "control_adapter.conv.weight": (5120, 1536, 2, 2),
            "control_adapter.residual_blocks.0.conv1.weight": (5120, 5120, 3, 3),
        },
    ),
    "wan 2.2 fun control 5B": Released(
        wan(3072, 30, 14336, 148, 48, reference_channels=48), "Wan 2.2 5B Fun control", 5.00, {}
    ),
    "qwen image": Released(
        QWEN,
        "Qwen-Image",
        20.43,
        {"transformer_blocks.59.txt_mlp.net.0.proj.weight": (12288, 3072), "txt_in.weight": (3072, 3584)},
    ),
    "qwen image 2.1": Released(
        QWEN21,
        "Qwen-Image 2.1",
        7.12,
        {"transformer_blocks.31.img_mlp.gate_up.weight": (24576, 4096), "modulation.1.weight": (16384, 4096)},
    ),
    "z image": Released(
        ZIMAGE,
        "Z-Image",
        6.15,
        {"layers.29.attention.qkv.weight": (11520, 3840), "cap_embedder.1.weight": (3840, 2560)},
    ),
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_model_is_recognised_by_its_shapes_and_lands_whole(name: str) -> None:
    kind, title, billions, some = RELEASED[name]
    shapes = shapes_of(kind.model_part())
    for key, shape in some.items():
        assert shapes[f"model.diffusion_model.{key}"] == shape
    assert sum(map(torch.Size.numel, map(torch.Size, shapes.values()))) / 1e9 == pytest.approx(billions, abs=0.005)
    found: Any = recognise(shapes)
    assert (type(found), found.title, found.sizes) == (type(kind), title, kind.sizes)
    assert release_in(shapes) == title
    part = found.model_part()
    check([part], shapes)
    landed = [landing.target for landings in part.landings.values() for landing in landings]
    assert sorted(landed) == sorted(name for name, _ in part.module.named_parameters())


FUN = {"width": 3840, "refiners": 2}
PATCHES: dict[str, tuple[PatchKind, float, Shapes]] = {
    "a DiffSynth ControlNet": (
        BlockwiseKind({"width": 3072, "blocks": 60, "patched": 64}),
        1.13,
        {"img_in.weight": (3072, 64), "controlnet_blocks.59.output_proj.weight": (3072, 3072)},
    ),
    "a DiffSynth ControlNet that paints": (
        BlockwiseKind({"width": 3072, "blocks": 60, "patched": 68}),
        1.13,
        {"img_in.weight": (3072, 68)},
    ),
    "a Fun ControlNet 1.0": (
        FunKind({**FUN, "channels": 16, "blocks": 6}, None),
        1.55,
        {"control_all_x_embedder.2-1.weight": (3840, 64), "control_layers.5.attention.to_q.weight": (3840, 3840)},
    ),
    "a Fun ControlNet 2.1": (
        FunKind({**FUN, "channels": 33, "blocks": 15}, "control_noise_refiner"),
        3.36,
        {"control_all_x_embedder.2-1.weight": (3840, 132), "control_noise_refiner.1.after_proj.weight": (3840, 3840)},
    ),
    "a small Fun ControlNet 2.1": (
        FunKind({**FUN, "channels": 33, "blocks": 3}, "control_noise_refiner"),
        1.0,
        {"control_layers.2.feed_forward.w1.weight": (10240, 3840)},
    ),
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_released_model_patch_is_recognised_by_its_shapes_and_lands_whole(name: str) -> None:
    kind, billions, some = PATCHES[name]
    shapes = shapes_of(kind.part(), "")
    assert {key: shapes[key] for key in some} == some
    assert sum(map(torch.Size.numel, map(torch.Size, shapes.values()))) / 1e9 == pytest.approx(billions, abs=0.02)
    found = recognise_patch(shapes)
    assert found == kind
    check([found.part()], shapes)


@pytest.mark.parametrize(("vocabulary", "each", "model"), [(32128, False, "t5"), (256384, True, "umt5")])
def test_t5_xxl_and_umt5_xxl_land_whole(vocabulary: int, each: bool, model: str) -> None:
    shapes = dict(t5_file(vocabulary, each=each))
    part: Any = t5_part(model, "", shapes)
    check([part], shapes)
    config = part.module.config
    assert (config.model_type, config.num_layers, config.num_heads, config.d_ff) == (model, 24, 64, 10240)


@pytest.mark.parametrize(
    ("sizes", "normed", "model"),
    [((3584, 18944, 28, (28, 4), 152064), False, "qwen2"), ((2560, 9728, 36, (32, 8), 151936), True, "qwen3")],
    ids=["Qwen2.5 7B", "Qwen3 4B"],
)
def test_qwen_of_the_families_lands_whole(sizes: tuple[Any, ...], normed: bool, model: str) -> None:
    shapes = dict(qwen_file(*sizes, normed=normed))
    part: Any = qwen_part(model, shapes)
    check([part], shapes)
    config = part.module.config
    found = (config.hidden_size, config.intermediate_size, config.num_hidden_layers)
    assert (config.model_type, *found, config.num_key_value_heads) == (model, *sizes[:3], sizes[3][1])
