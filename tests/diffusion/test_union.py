"""Union ControlNets: diffusers' own class is the reference; for a network that is told nothing it has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetUnionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from weft.nodes.core.controlnet import UNION_TASKS, SetUnionControlNetType
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd import union
from weft.nodes.diffusion.sampling.control import ControlNet, load_controlnet, with_control

from .ksampling import ksample

EVERYTHING: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
TASKS = 6


@pytest.fixture(scope="module")
def reference(open_checkpoint: Callable[..., Any]) -> Any:
    """Random, its zero convolutions and projections too."""
    unet = open_checkpoint("sdxl").model.network.base.config
    names = (
        *("block_out_channels", "down_block_types", "layers_per_block", "transformer_layers_per_block"),
        *(
            "cross_attention_dim",
            "attention_head_dim",
            "use_linear_projection",
            "addition_embed_type",
            "norm_num_groups",
        ),
        *("addition_time_embed_dim", "projection_class_embeddings_input_dim"),
    )
    torch.manual_seed(7)
    of_union = {"num_control_type": TASKS, "num_trans_channel": 32, "num_proj_channel": 32}
    make: Any = ControlNetUnionModel
    model = make(
        **{name: unet[name] for name in names}, **of_union, conditioning_embedding_out_channels=(16, 32, 48, 64)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.05)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def file(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("union") / "union.safetensors"
    save_file({name: tensor.clone() for name, tensor in reference.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def net(file: Path) -> ControlNet:
    return load_controlnet(file, **EVERYTHING)


def drawn(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def residuals(net: ControlNet, strength: float = 0.5) -> list[Any]:
    module = net.network.module()
    read = net.kind.read(module, drawn(1, 3, 64, 64))
    return net.kind.run(module, drawn(2, 4, 8, 8), torch.tensor([7.0, 7.0]), *beside(), read, strength)


def beside() -> tuple[Tensor, dict[str, Tensor]]:
    return drawn(2, 5, 144), {"text_embeds": drawn(2, 80), "time_ids": torch.full((2, 6), 64.0)}


@pytest.mark.parametrize("task", ["depth", "segment"])
def test_told_a_kind_it_gives_what_diffusers_gives(net: ControlNet, reference: Any, task: str) -> None:
    number = union.TASKS.index(task)
    context, added = beside()
    told = torch.zeros(2, TASKS)
    told[:, number] = 1.0
    skips, middle = reference(
        drawn(2, 4, 8, 8),
        torch.tensor([7.0, 7.0]),
        encoder_hidden_states=context,
        controlnet_cond=[drawn(1, 3, 64, 64).expand(2, -1, -1, -1)],
        control_type=told,
        control_type_idx=[number],
        conditioning_scale=0.5,
        added_cond_kwargs=added,
        return_dict=False,
    )
    for found, expected in zip(residuals(net.for_task(task)), [*skips, middle], strict=True):
        torch.testing.assert_close(found, expected)


def test_told_nothing_it_adds_the_picture_alone(net: ControlNet, reference: Any) -> None:
    """As with a projection of zeros, and in the place of no kind; the weights stay as they are."""
    untold, told = residuals(net), residuals(net.for_task("openpose"))
    assert torch.equal(untold[0], residuals(net.for_task("auto"))[0])
    assert not torch.equal(untold[0], told[0])
    first: Any = net.network.module()
    (hint,) = net.kind.read(first, drawn(1, 3, 64, 64))
    plain = first.controlnet_down_blocks[0](first.conv_in(drawn(2, 4, 8, 8)) + hint) * 0.5
    torch.testing.assert_close(untold[0], plain)


def test_a_run_is_steered(net: ControlNet, open_checkpoint: Callable[..., Any]) -> None:
    loaded = open_checkpoint("sdxl")
    prompt = loaded.clip.encode("a cat")

    def sampled(control: ControlNet) -> Tensor:
        steered, other = with_control([prompt, prompt], control, drawn(1, 64, 64, 3), 1.0)
        settings = {"seed": 1, "steps": 1, "cfg": 2.0, "sampler": "euler", "scheduler": "normal"}
        given = {"positive": steered, "negative": other}
        found: Tensor = ksample(loaded.model, {"samples": torch.zeros(1, 4, 8, 8)}, **given, **settings)["samples"]
        return found

    assert not torch.equal(sampled(net.for_task("depth")), sampled(net.for_task("normal")))


def test_kinds_of_pictures(net: ControlNet, file: Path, tmp_path: Path) -> None:
    assert (union.AUTO, *union.TASKS) == UNION_TASKS
    nothing: Any = None
    told: Any = SetUnionControlNetType(control_net=net, type="depth", context=nothing)
    assert told.kind.task == 1
    with pytest.raises(DiffusionError, match="knows no 'tile'; it knows auto, openpose"):
        net.for_task("tile")

    tensors = load_file(file)
    save_file({**tensors, "task_embedding": torch.zeros(9, 32)}, tmp_path / "more.safetensors")
    with pytest.raises(CheckpointError, match="a union ControlNet of 9 kinds of pictures; known are 8"):
        load_controlnet(tmp_path / "more.safetensors", **EVERYTHING)
