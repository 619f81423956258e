"""ControlNets of transformers: what a run gives with one is what diffusers' classes give with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import foreign, small_file
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.qwen.rope import centred
from weft.nodes.diffusion.families.references import PatchGrid, places
from weft.nodes.diffusion.quiet import QUIET
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.control import Control, ControlNet, load_controlnet
from weft.nodes.diffusion.weights.checkpoint import load_unet

PLACE: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
SIGMA = torch.tensor(0.6)
HINT = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))


class Eye:
    """A VAE of no weights: what it sees in 8x8 pixels, sixteen times."""

    def encode(self, pixels: Tensor) -> Tensor:
        seen = nn.functional.avg_pool2d(pixels.movedim(-1, 1), 8)
        return seen[:, :1] * torch.linspace(-1, 1, 16)[:, None, None]


class VideoEye(Eye):
    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels)[:, :, None]


def random(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return module.eval()


def opened(tensors: dict[str, Tensor], folder: Path) -> ControlNet:
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / "c.safetensors")
    return load_controlnet(folder / "c.safetensors", **PLACE)


class Run:
    """A model of a family, and one evaluation of it with a control."""

    def __init__(self, release: str, folder: Path) -> None:
        tensors = small_file("diffusion_models", release, release, Path())
        assert tensors is not None
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / "m.safetensors")
        self.model = load_unet(folder / "m.safetensors", **PLACE)
        self.network: Any = self.model.network.module()
        self.denoiser = self.model.kind.denoiser(self.network, self.model.sampling, self.model.latent_format)
        shape = (2, 16, 1, 4, 6) if self.model.latent_format.frames else (2, 16, 4, 6)
        self.x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
        width = getattr(self.network.config, "joint_attention_dim", 8)
        self.context = torch.randn(2, 5, width, generator=torch.Generator().manual_seed(3))
        pooled = getattr(self.network.config, "pooled_projection_dim", 0)
        self.added = {"pooled": torch.ones(2, pooled) * 0.3} if pooled else {}

    def __call__(self, control: Control) -> Tensor:
        run = SamplingRun(self.denoiser, tuple(self.x.shape), torch.device("cpu"))
        with torch.inference_mode():
            bound = control.bind(run)
            return self.denoiser(self.x, SIGMA, self.context, self.added, control=bound)

    def denoised(self, output: Tensor) -> Tensor:
        return self.x - SIGMA * output


@pytest.fixture
def flux(tmp_path: Path) -> Run:
    return Run("flux", tmp_path)


def flux_net(**more: Any) -> nn.Module:
    from diffusers import FluxControlNetModel

    sizes = {
        "num_layers": 1, "num_single_layers": 1, "num_attention_heads": 1, "joint_attention_dim": 32,
        "pooled_projection_dim": 32, **more,
    }  # fmt: skip
    with QUIET:
        return random(FluxControlNetModel(**sizes))


@pytest.mark.parametrize("union", [False, True])
def test_flux(flux: Run, tmp_path: Path, union: bool) -> None:
    net = flux_net(**({"num_mode": 7} if union else {}), guidance_embeds=not union)
    control = opened(net.state_dict(), tmp_path)
    if union:
        control = control.for_task("depth")
    flux.added["guidance"] = torch.full((2,), 3.0)
    got = flux(Control(control, HINT, 0.7, vae=Eye()))
    seen = packed((Eye().encode(HINT) - 0.1159) * 0.3611)
    grid, ids = places(PatchGrid(2, 3)), torch.zeros(5, 3)
    shared = {
        "encoder_hidden_states": flux.context, "pooled_projections": flux.added["pooled"], "img_ids": grid,
        "txt_ids": ids, "timestep": torch.full((2,), float(SIGMA)), "return_dict": False,
    }  # fmt: skip
    guided = {"guidance": flux.added["guidance"]}
    with torch.inference_mode():
        doubles, singles = net(
            hidden_states=packed(flux.x), controlnet_cond=seen, conditioning_scale=0.7,
            controlnet_mode=torch.tensor([[2], [2]]) if union else None, **shared, **({} if union else guided),
        )  # fmt: skip
        rows = flux.network(
            packed(flux.x),
            controlnet_block_samples=doubles,
            controlnet_single_block_samples=singles,
            **shared,
            **guided,
        )[0]
    torch.testing.assert_close(got, flux.denoised(unpacked(rows, 4, 6)), rtol=1e-4, atol=1e-5)


def xlabs_name(name: str) -> str:
    """What XLabs' files call a parameter of diffusers' class, where they do not keep the rows of three together."""
    hint = re.match(r"input_hint_block\.(conv_in|blocks\.(\d)|conv_out)", name)
    if hint:
        place = 0 if hint[1] == "conv_in" else 7 if hint[1] == "conv_out" else int(hint[2]) + 1
        return name.replace(hint[0], f"input_hint_block.{2 * place}")
    for old, new in (
        ("controlnet_x_embedder", "pos_embed_input"), ("context_embedder", "txt_in"), ("x_embedder", "img_in"),
        ("time_text_embed.timestep_embedder", "time_in"), ("time_text_embed.guidance_embedder", "guidance_in"),
        ("time_text_embed.text_embedder", "vector_in"), ("linear_1", "in_layer"), ("linear_2", "out_layer"),
        ("transformer_blocks.0.norm1.linear", "double_blocks.0.img_mod.lin"),
        ("transformer_blocks.0.norm1_context.linear", "double_blocks.0.txt_mod.lin"),
        ("transformer_blocks.0.attn.norm_added_q.weight", "double_blocks.0.txt_attn.norm.query_norm.scale"),
        ("transformer_blocks.0.attn.norm_added_k.weight", "double_blocks.0.txt_attn.norm.key_norm.scale"),
        ("transformer_blocks.0.attn.norm_q.weight", "double_blocks.0.img_attn.norm.query_norm.scale"),
        ("transformer_blocks.0.attn.norm_k.weight", "double_blocks.0.img_attn.norm.key_norm.scale"),
        ("transformer_blocks.0.attn.to_out.0", "double_blocks.0.img_attn.proj"),
        ("transformer_blocks.0.attn.to_add_out", "double_blocks.0.txt_attn.proj"),
        ("transformer_blocks.0.ff.net.0.proj", "double_blocks.0.img_mlp.0"),
        ("transformer_blocks.0.ff.net.2", "double_blocks.0.img_mlp.2"),
        ("transformer_blocks.0.ff_context.net.0.proj", "double_blocks.0.txt_mlp.0"),
        ("transformer_blocks.0.ff_context.net.2", "double_blocks.0.txt_mlp.2"),
    ):  # fmt: skip
        name = name.replace(old, new)
    return name


def in_xlabs_names(net: nn.Module) -> dict[str, Tensor]:
    state, block = net.state_dict(), "transformer_blocks.0.attn"
    parts = {"img": [f"{block}.to_{each}" for each in "qkv"], "txt": [f"{block}.add_{each}_proj" for each in "qkv"]}
    fused = {
        f"double_blocks.0.{stream}_attn.qkv.{leaf}": torch.cat([state.pop(f"{part}.{leaf}") for part in names])
        for stream, names in parts.items()
        for leaf in ("weight", "bias")
    }
    return {xlabs_name(key): tensor for key, tensor in state.items()} | fused


@pytest.mark.parametrize("original", [True, False])
def test_flux_by_xlabs(flux: Run, tmp_path: Path, original: bool) -> None:
    """It reads pixels, and adds its rows behind all blocks of two streams."""
    net = flux_net(num_single_layers=0, conditioning_embedding_channels=16, patch_size=2, guidance_embeds=True)
    control = opened(in_xlabs_names(net) if original else net.state_dict(), tmp_path)
    flux.added["guidance"] = torch.full((2,), 3.0)
    got = flux(Control(control, HINT, 0.7))
    shared = {
        "encoder_hidden_states": flux.context, "pooled_projections": flux.added["pooled"],
        "img_ids": places(PatchGrid(2, 3)), "txt_ids": torch.zeros(5, 3), "timestep": torch.full((2,), float(SIGMA)),
        "return_dict": False, "guidance": flux.added["guidance"],
    }  # fmt: skip
    pixels = HINT.movedim(-1, 1) * 2 - 1
    with torch.inference_mode():
        doubles, _ = net(
            hidden_states=packed(flux.x), controlnet_cond=pixels.expand(2, -1, -1, -1), conditioning_scale=0.7, **shared
        )
        rows = flux.network(packed(flux.x), controlnet_block_samples=doubles, controlnet_blocks_repeat=True, **shared)[
            0
        ]
    torch.testing.assert_close(got, flux.denoised(unpacked(rows, 4, 6)), rtol=1e-4, atol=1e-5)
    assert [each.item() for each in control.kind.behind([torch.tensor(0), torch.tensor(1)], 5)] == [0, 1, 0, 1, 0]


def test_a_union_that_is_told_nothing(flux: Run, tmp_path: Path) -> None:
    net = opened(flux_net(num_mode=7).state_dict(), tmp_path)
    told, untold = flux(Control(net.for_task("tile"), HINT, vae=Eye())), flux(Control(net, HINT, vae=Eye()))
    assert untold.isfinite().all() and not torch.equal(told, untold)
    with pytest.raises(DiffusionError, match="knows no 'normal'; it knows auto, canny"):
        net.for_task("normal")


def sd3_net(**more: Any) -> nn.Module:
    from diffusers import SD3ControlNetModel

    sizes = {"num_layers": 1, "num_attention_heads": 1, "caption_projection_dim": 64, "pooled_projection_dim": 24}
    return random(SD3ControlNetModel(**{**sizes, **more}))


def original_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As Stability AI names them."""
    renamed = {}
    for key, tensor in tensors.items():
        for new, old in (
            ("attn.to_out.0", "attn.proj"), ("ff.net.0.proj", "mlp.fc1"), ("ff.net.2", "mlp.fc2"),
            ("norm1.linear", "adaLN_modulation.1"),
        ):  # fmt: skip
            key = key.replace(new, old)
        renamed[key] = tensor
    for leaf in ("weight", "bias"):
        parts = [renamed.pop(f"transformer_blocks.0.attn.to_{name}.{leaf}") for name in "qkv"]
        renamed[f"transformer_blocks.0.attn.qkv.{leaf}"] = torch.cat(parts)
    return renamed


@pytest.mark.parametrize("original", [False, True])
def test_sd3(tmp_path: Path, original: bool) -> None:
    run = Run("sd3", tmp_path)
    own: dict[str, Any] = {"joint_attention_dim": 32, "pos_embed_max_size": 12}
    if original:
        own = {"joint_attention_dim": None, "use_pos_embed": False, "pos_embed_type": None, "pos_embed_max_size": None}
    net = sd3_net(**own)
    tensors = original_names(net.state_dict()) if original else net.state_dict()
    got = run(Control(opened(tensors, tmp_path), HINT, 0.7, vae=Eye()))
    pooled, timestep = run.added["pooled"], torch.full((2,), 1000 * float(SIGMA))
    with torch.inference_mode():
        parts = net(
            hidden_states=run.network.pos_embed(run.x) if original else run.x,
            controlnet_cond=(Eye().encode(HINT) - (0.0609 if original else 0.0)) * 1.5305,
            conditioning_scale=0.7,
            encoder_hidden_states=None if original else run.context,
            pooled_projections=pooled if original else torch.zeros_like(pooled),
            timestep=timestep,
            return_dict=False,
        )[0]
        output = run.network(
            run.x, encoder_hidden_states=run.context, pooled_projections=pooled, timestep=timestep,
            block_controlnet_hidden_states=parts, return_dict=False,
        )[0]  # fmt: skip
    torch.testing.assert_close(got, run.denoised(output), rtol=1e-4, atol=1e-5)


def qwen_net(**more: Any) -> Any:
    from diffusers import QwenImageControlNetModel

    return random(QwenImageControlNetModel(num_layers=1, num_attention_heads=1, joint_attention_dim=8, **more))


def test_qwen_image(tmp_path: Path) -> None:
    run, net = Run("qwen_image", tmp_path), qwen_net()
    got = run(Control(opened(net.state_dict(), tmp_path), HINT, 0.7, vae=VideoEye()))
    net.pos_embed = centred((16, 56, 56))
    seen = packed(run.model.latent_format.to_network(VideoEye().encode(HINT))[:, :, 0])
    shared = {
        "encoder_hidden_states": run.context, "timestep": torch.full((2,), float(SIGMA)), "return_dict": False,
        "img_shapes": places(PatchGrid(2, 3), centred=True),
    }  # fmt: skip
    with torch.inference_mode():
        rows = packed(run.x[:, :, 0])
        parts = net(hidden_states=rows, controlnet_cond=seen, conditioning_scale=0.7, **shared)
        output = run.network(rows, controlnet_block_samples=parts, **shared)[0]
    torch.testing.assert_close(got, run.denoised(unpacked(output, 4, 6)[:, :, None]), rtol=1e-4, atol=1e-5)


def test_two_add_up_and_act_when_they_should(flux: Run, tmp_path: Path) -> None:
    net = opened(flux_net().state_dict(), tmp_path)
    flux.added["guidance"] = torch.full((2,), 3.0)
    whole = flux(Control(net, HINT, 1.0, vae=Eye()))
    halves = flux(Control(net, HINT, 0.5, previous=Control(net, HINT, 0.5, vae=Eye()), vae=Eye()))
    torch.testing.assert_close(whole, halves, rtol=1e-4, atol=1e-5)
    with torch.inference_mode():
        bare = flux.denoiser(flux.x, SIGMA, flux.context, flux.added)
    assert torch.equal(flux(Control(net, HINT, 1.0, 0.9, 1.0, vae=Eye())), bare)
    assert not torch.equal(whole, bare)


def test_as_packs_give_it(flux: Run, tmp_path: Path) -> None:
    control = Control(opened(flux_net().state_dict(), tmp_path), HINT, 0.7, vae=Eye())
    assert torch.equal(flux(control.copy().control), flux(control))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: qwen_net(extra_condition_channels=4), "a ControlNet for Qwen-Image for inpainting .68 numbers"),
    ],
)
def test_what_is_not_run_is_refused(make: Callable[[], nn.Module], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        opened(make().state_dict(), tmp_path)


def test_a_model_that_none_steers(tmp_path: Path) -> None:
    run, net = Run("z_image", tmp_path), opened(qwen_net().state_dict(), tmp_path)
    steering: Any = Control(net, HINT, vae=VideoEye())
    with pytest.raises(DiffusionError, match="a ControlNet is on the prompt, and none here steers Z-Image"):
        run.denoiser(run.x, SIGMA, run.context, run.added, control=steering)


def test_what_does_not_fit(flux: Run, tmp_path: Path) -> None:
    with pytest.raises(DiffusionError, match="reads its picture as a latent: give Apply ControlNet the VAE"):
        Control(opened(flux_net().state_dict(), tmp_path), HINT)
    with pytest.raises(DiffusionError, match="is for a Qwen-Image model 128 wide; this is a model of another family"):
        flux(Control(opened(qwen_net().state_dict(), tmp_path), HINT, vae=VideoEye()))
    with pytest.raises(DiffusionError, match="is for a FLUX.1 model 256 wide; this model is 128 wide"):
        flux(Control(opened(flux_net(num_attention_heads=2).state_dict(), tmp_path), HINT, vae=Eye()))


def test_an_ip_adapter_of_xlabs_is_named() -> None:
    keys = ["ip_adapter_proj_model.norm.weight", "double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight"]
    assert foreign(keys) == "an IP-Adapter for FLUX (XLabs), which Weft does not run yet"
