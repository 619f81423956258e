"""Union ControlNets: one network for several kinds of pictures, which is told which kind it sees.

Published as ControlNet++ (xinsir 2024) for SDXL; diffusers' ControlNetUnionModel in diffusers' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.controlnet import SDControlKind
from weft.nodes.diffusion.values.pixels import to_batch
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

MARK = "task_embedding"
_OWN = ("task_embedding", "transformer_layes.", "spatial_ch_projs.", "control_add_embedding.")
AUTO = "auto"
# ComfyUI's names for the kinds of pictures, in the order of the embeddings; older files know the first six alone.
TASKS = (
    "openpose",
    "depth",
    "hed/pidi/scribble/ted",
    "canny/lineart/anime_lineart/mlsd",
    "normal",
    "segment",
    "tile",
    "repaint",
)


@dataclass(frozen=True)
class SDUnionKind(SDControlKind):
    """See ControlKind. task: the place of the kind of picture in TASKS; None where the network is told none."""

    task: int | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """See ControlKind."""
        return (AUTO, *TASKS[: self.net["num_control_type"]])

    def for_task(self, name: str) -> SDUnionKind:
        """See ControlKind."""
        if name not in self.tasks:
            raise DiffusionError(f"this union ControlNet knows no {name!r}; it knows {', '.join(self.tasks)}")
        return replace(self, task=None if name == AUTO else TASKS.index(name))

    def part(self) -> Part:
        """See ControlKind."""
        module = build("ControlNet", _union, self.net)
        return Part(
            "controlnet", self.prefix, module, {name: (Landing(name),) for name, _ in module.named_parameters()}
        )

    def run(
        self,
        module: nn.Module,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        read: Sequence[Tensor],
        strength: float,
    ) -> list[Tensor | None]:
        """See ControlKind."""
        net, batch = module if self.task is not None else _untold(module), sample.shape[0]
        dtype = next(module.parameters()).dtype
        told = torch.zeros(batch, self.net["num_control_type"], device=sample.device)
        if self.task is not None:
            told[:, self.task] = 1.0
        skips, middle = net(
            sample.to(dtype),
            timestep,
            encoder_hidden_states=context.to(dtype),
            controlnet_cond=[to_batch(read[0], batch)],
            control_type=told,
            control_type_idx=[self.task or 0],
            conditioning_scale=float(strength),
            added_cond_kwargs=added,
            return_dict=False,
        )
        return [*skips, middle]


def union_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of ControlNetUnionModel beside ControlNetModel's, as shapes tell them."""
    tasks, channels = shapes.of(MARK, 2)
    layers = shapes.indices(r"transformer_layes\.(\d+)\.")
    if not 0 < tasks <= len(TASKS):
        raise CheckpointError(f"a union ControlNet of {tasks} kinds of pictures; known are {len(TASKS)}")
    return {
        "num_control_type": tasks,
        "num_trans_channel": channels,
        "num_trans_layer": len(layers),
        "num_proj_channel": shapes.of("spatial_ch_projs.weight", 2)[0],
    }


def split_union(shapes: FileShapes) -> tuple[dict[str, tuple[int, ...]], Shapes]:
    """The shapes of the ControlNet in a file, and those that a union has beside it: empty where it is none."""
    own = {key: tuple(shape) for key, shape in shapes.items() if key.startswith(_OWN)}
    return {key: tuple(shape) for key, shape in shapes.items() if key not in own}, Shapes(own)


class _Nothing(nn.Module):
    """In the place of a projection: zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, given: Tensor) -> Tensor:
        """[..., C] -> [..., width]"""
        return given.new_zeros(*given.shape[:-1], self.width)


def _untold(module: nn.Module) -> nn.Module:
    """The network without what it adds by the kind of picture: a copy that shares every weight."""
    plain = type(module).__new__(type(module))
    plain.__dict__ = {**module.__dict__, "_modules": dict(module._modules)}
    plain._modules["spatial_ch_projs"] = _Nothing(cast("nn.Linear", module.spatial_ch_projs).out_features)
    return plain


def _union(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import ControlNetUnionModel

    # diffusers does not say what its constructors take.
    return cast("Callable[..., nn.Module]", ControlNetUnionModel)(**config)
