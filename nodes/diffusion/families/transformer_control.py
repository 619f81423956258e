"""ControlNets of diffusion transformers: what those of several families share.

Each is a transformer of some of the blocks of the one that it steers, reads the picture as a latent, as the model would
read it, and gives rows that are added behind the model's blocks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.patches import packed
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser
    from weft.nodes.diffusion.weights.memory import DeviceMemory


class Beside(nn.Module):
    """A ControlNet and, beside it, the network that it steers, which lends what the ControlNet has not itself."""

    def __init__(self, net: nn.Module, steered: nn.Module) -> None:
        super().__init__()
        self.net = net
        # Not as a part of it: its weights are its own.
        self.__dict__["steered"] = steered


@dataclass(frozen=True)
class TransformerControlKind(ABC):
    """See ControlKind. net: keyword arguments of diffusers' class. prefix: before its keys in the file."""

    net: Mapping[str, Any]
    prefix: str = ""

    name: ClassVar[str]
    title: ClassVar[str]
    # The class that it steers, by diffusers' name.
    steers: ClassVar[str]
    marks: ClassVar[Collection[str]] = ()
    is_difference: ClassVar[bool] = False
    hint_multiple: ClassVar[int] = 1
    encoded: ClassVar[bool] = True

    @property
    def tasks(self) -> Sequence[str]:
        """See ControlKind."""
        return ()

    def for_task(self, name: str) -> Self:
        """See ControlKind."""
        raise DiffusionError(f"this ControlNet reads one kind of pictures, and cannot be told {name!r}")

    @abstractmethod
    def module(self) -> nn.Module:
        """Its network, without weights."""

    def landings(self, module: nn.Module) -> Mapping[str, tuple[Landing, ...]]:
        """Where the keys of its file land."""
        return {name: (Landing(name),) for name, _ in module.named_parameters()}

    def part(self) -> Part:
        """See ControlKind."""
        module = self.module()
        return Part("controlnet", self.prefix, module, self.landings(module))

    def opened(self, module: nn.Module) -> nn.Module:
        """See ControlKind."""
        return module

    def check_fit(self, module: nn.Module, denoiser: Denoiser) -> None:
        """See ControlKind."""
        steered: Any = denoiser.network
        wanted = f"its ControlNet is for a {self.title} model {_width(module)} wide"
        if type(steered).__name__ != self.steers:
            raise DiffusionError(f"{wanted}; this is a model of another family")
        if _width(steered) != _width(module):
            raise DiffusionError(f"{wanted}; this model is {_width(steered)} wide")

    def joined(self, module: nn.Module, denoiser: Denoiser, memory: DeviceMemory | None = None) -> nn.Module:
        """See ControlKind."""
        return Beside(module, denoiser.network)

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
        """See ControlKind: for each block of the network in its order; the last ones may be missing."""
        net: Any = module.net
        dtype = next(net.parameters()).dtype
        sample, context = sample.to(dtype), context.to(dtype)
        told = {name: each.to(dtype) for name, each in (added or {}).items()}
        return self.rows(net, module.steered, sample, timestep, context, told, read[0].to(dtype), strength)

    @abstractmethod
    def rows(
        self,
        net: Any,
        steered: Any,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        seen: Tensor,
        strength: float,
    ) -> list[Tensor | None]:
        """As `run`, of a ControlNet and the network that it steers. seen: what `read` gave."""


def spread(parts: Sequence[Tensor], blocks: int) -> list[Tensor | None]:
    """What is added behind each of so many blocks: each part behind as many of them in a row."""
    each = math.ceil(blocks / len(parts))
    return [parts[number // each] for number in range(blocks)]


def seen_as_rows(latents: Tensor) -> Tensor:
    """Latents [B,C,h,w] as rows of patches; sides that are no whole patches end where they are, as the model's do."""
    from weft.nodes.diffusion.families.patches import wrapped

    return packed(wrapped(latents, 2))


def _width(module: Any) -> int:
    return int(module.config.num_attention_heads * module.config.attention_head_dim)
