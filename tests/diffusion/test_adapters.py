"""T2I adapters: diffusers' class, and where its UNet adds what that gives, are the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import T2IAdapter
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.adapter import Halve
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.control import Control, ControlNet, load_controlnet
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint

from .ksampling import ksample

EVERYTHING: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
SIGMA = torch.tensor(2.0)
KINDS = ("full_adapter", "light_adapter", "full_adapter_xl")


@pytest.fixture(scope="module")
def models(parity: Path) -> dict[bool, LoadedCheckpoint]:
    """By whether they are of XL."""
    folder = parity / "models" / "checkpoints"
    return {
        name == "sdxl": load_checkpoint(folder / f"tiny_{name}.safetensors", **EVERYTHING) for name in ("sd15", "sdxl")
    }


def adapter(kind: str, model: LoadedCheckpoint, channels: int = 3) -> Any:
    """A random one for a model."""
    xl = kind == "full_adapter_xl"
    levels = list(model.model.network.base.config.block_out_channels)
    widths = [*levels, levels[-1]] if xl else levels[:-1] if kind == "light_adapter" else levels
    torch.manual_seed(3)
    make: Any = T2IAdapter
    made = make(
        in_channels=channels,
        channels=widths,
        num_res_blocks=4 if kind == "light_adapter" else 2,
        downscale_factor=16 if xl else 8,
        adapter_type=kind,
    )
    return made.eval().requires_grad_(False)


def original(made: Any) -> dict[str, Tensor]:
    """Its tensors as TencentARC's files name them."""
    tensors, blocks = {}, list(made.adapter.body)
    for name, tensor in made.adapter.state_dict().items():
        if not name.startswith("body."):
            tensors[name] = tensor
            continue
        _, level, *rest = name.split(".")
        if hasattr(blocks[0], "out_conv"):
            tensors[".".join(["body", level, *rest]).replace("resnets", "body")] = tensor
        elif rest[0] == "in_conv":
            tensors[f"body.{2 * int(level)}.in_conv.{rest[1]}"] = tensor
        else:
            tensors[f"body.{2 * int(level) + int(rest[1])}.{rest[2]}.{rest[3]}"] = tensor
    return tensors


def opened(tensors: dict[str, Tensor], folder: Path) -> ControlNet:
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / "adapter.safetensors")
    return load_controlnet(folder / "adapter.safetensors", **EVERYTHING)


def run_of(model: LoadedCheckpoint, size: int = 16) -> SamplingRun:
    denoiser = model.kind.denoiser(model.model.network.module(), model.model.sampling, model.model.latent_format)
    return SamplingRun(denoiser, (1, 4, size, size), torch.device("cpu"))


def call(model: LoadedCheckpoint, size: int = 16) -> tuple[Tensor, Tensor, Any]:
    """The latent, context and vector of a call of the network for two items."""
    torch.manual_seed(5)
    config = model.model.network.base.config
    added = {"text_embeds": torch.randn(2, 80), "time_ids": torch.full((2, 6), 64.0)}
    context = torch.randn(2, 7, config.cross_attention_dim)
    return torch.randn(2, 4, size, size), context, added if config.addition_embed_type else None


def picture(size: int = 128) -> Tensor:
    return torch.rand(1, size, size, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["original", "diffusers"])
@torch.inference_mode()
def test_features_are_added_where_diffusers_adds_them(
    kind: str, layout: str, models: dict[bool, LoadedCheckpoint], tmp_path: Path
) -> None:
    model = models[kind == "full_adapter_xl"]
    made = adapter(kind, model)
    net = opened(original(made) if layout == "original" else made.state_dict(), tmp_path)
    x, context, added = call(model)
    run, seen = run_of(model), picture()
    denoiser = run.denoiser
    steered = denoiser(x, SIGMA, context, added, control=Control(net, seen, 0.6).bind(run))

    features = [feature.repeat(2, 1, 1, 1) * 0.6 for feature in made(seen.movedim(-1, 1))]
    timestep = denoiser.sampling.timestep(SIGMA).expand(2)
    expected = denoiser.network(
        denoiser.sampling.scale_input(x, SIGMA),
        timestep,
        encoder_hidden_states=context,
        added_cond_kwargs=added,
        down_intrablock_additional_residuals=features,
        return_dict=False,
    )[0]
    torch.testing.assert_close(steered, denoiser.sampling.denoised(x, expected, SIGMA), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(steered, denoiser(x, SIGMA, context, added), atol=1e-3)


@torch.inference_mode()
def test_beside_a_controlnet(models: dict[bool, LoadedCheckpoint], parity: Path, tmp_path: Path) -> None:
    """In a chain each adds at its own layers."""
    model = models[False]
    one = opened(original(adapter("full_adapter", model)), tmp_path)
    two = load_controlnet(parity / "models" / "controlnet" / "tiny_controlnet.safetensors", **EVERYTHING)
    run, (x, context, _) = run_of(model), call(model)
    given = x, torch.tensor([500.0, 500.0]), context, None, SIGMA
    first, second = Control(one, picture()), Control(two, picture(), 0.5)
    adds, steers = (control.bind(run).residuals(*given) for control in (first, second))
    for chain in (Control(two, picture(), 0.5, previous=first), Control(one, picture(), previous=second)):
        both = chain.bind(run).residuals(*given)
        assert len(both) == 25
        for mine, other in zip(both, [*steers, *adds[13:]], strict=True):
            assert (mine is None) == (other is None)
            assert mine is None or other is None or torch.equal(mine, other)


def test_it_reads_once_and_acts_while_it_is_told_to(models: dict[bool, LoadedCheckpoint], tmp_path: Path) -> None:
    model = models[False]
    net = opened(original(adapter("light_adapter", model)), tmp_path)
    _, context, _ = call(model)
    calls = []
    net.network.base.register_forward_hook(lambda module, given, made: calls.append(given[0].shape))
    control = Control(net, picture(64), 1.0, 0.0, 0.5)
    sides = {side: [[context[:1], {"control": control}]] for side in ("positive", "negative")}
    request: dict[str, Any] = {"seed": 1, "steps": 4, "cfg": 3.0, "sampler": "euler", "scheduler": "normal"}
    ksample(model.model, {"samples": torch.zeros(2, 4, 8, 8)}, **request, **sides)
    assert calls == [(1, 3, 64, 64)]
    late = torch.tensor(model.model.sampling.percent_to_sigma(0.6))
    assert control.bind(run_of(model)).residuals(torch.zeros(1, 4, 8, 8), late, context[:1], None, late) == []


@torch.inference_mode()
def test_sizes_that_do_not_divide_and_grey_pictures(models: dict[bool, LoadedCheckpoint], tmp_path: Path) -> None:
    model = models[True]
    net = opened(original(adapter("full_adapter_xl", model, channels=1)), tmp_path)
    x, context, added = call(model, 9)
    run = run_of(model, 9)
    assert run.denoiser(x, SIGMA, context, added, control=Control(net, picture(100)).bind(run)).shape == x.shape
    grey = picture().mean(dim=-1, keepdim=True).expand(-1, -1, -1, 3)
    seen = [Control(net, each).read(net.network.base, 72, 72) for each in (picture(), grey)]
    assert [feature.shape[-1] for feature in seen[0]] == [5, 5, 3, 3]
    torch.testing.assert_close(*seen)


def test_an_odd_side_begins_with_half_a_square() -> None:
    row = torch.tensor([[[[4.0, 8.0, 2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]])
    assert torch.equal(Halve()(row)[0, 0], torch.tensor([[1.0, 2.5], [0.0, 0.0]]))


@pytest.mark.parametrize(("kind", "xl"), [("full_adapter", True), ("full_adapter_xl", False)])
def test_an_adapter_for_another_family(
    kind: str, xl: bool, models: dict[bool, LoadedCheckpoint], tmp_path: Path
) -> None:
    net = opened(original(adapter(kind, models[not xl])), tmp_path)
    release = "1.x or 2.x" if xl else "XL"
    with pytest.raises(DiffusionError, match=f"its T2I adapter is for a Stable Diffusion {release} model with levels"):
        Control(net, picture()).bind(run_of(models[xl]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"body.2.down_opt.op.weight": (4, 4, 3, 3)}, "layers of a kind that is not supported: 'body.2.down_opt.op"),
        ({"conv_in.weight": (32, 100, 3, 3)}, "of no known family: it reads 100 channels"),
        ({"body.1.block1.bias": None}, "1 missing key: 'body.1.block1.bias'"),
    ],
)
def test_adapters_that_are_not_supported(
    change: dict[str, Any], words: str, models: dict[bool, LoadedCheckpoint], tmp_path: Path
) -> None:
    tensors = original(adapter("full_adapter", models[False]))
    for name, shape in change.items():
        tensors.pop(name, None)
        if shape is not None:
            tensors[name] = torch.zeros(shape)
    with pytest.raises(CheckpointError, match=f"adapter.safetensors: .*{words}"):
        opened(tensors, tmp_path)
