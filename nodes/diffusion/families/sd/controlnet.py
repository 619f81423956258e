"""ControlNets of Stable Diffusion: a copy of the UNet's first half, whose results are added to its skip connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.sd.keymaps import controlnet_keymap
from weft.nodes.diffusion.families.sd.keymaps.controlnet import DIFFERENCE
from weft.nodes.diffusion.families.sd.releases import title_of
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser
    from weft.nodes.diffusion.weights.memory import DeviceMemory


@dataclass(frozen=True)
class SDControlKind:
    """See ControlKind.

    name: of the release whose UNets it fits. net: keyword arguments of diffusers' ControlNetModel. prefix: before its
    keys. of_diffusers: whether the file has diffusers' names.
    """

    name: str
    net: Mapping[str, Any]
    prefix: str
    of_diffusers: bool
    is_difference: bool

    noun: ClassVar[str] = "ControlNet"

    @property
    def marks(self) -> frozenset[str]:
        """See ControlKind."""
        return frozenset({DIFFERENCE})

    @property
    def tasks(self) -> tuple[str, ...]:
        """See ControlKind."""
        return ()

    def for_task(self, name: str) -> SDControlKind:
        """See ControlKind."""
        raise DiffusionError(f"this ControlNet reads one kind of pictures, and cannot be told {name!r}")

    @property
    def encoded(self) -> bool:
        """See ControlKind."""
        return False

    @property
    def hint_multiple(self) -> int:
        """See ControlKind."""
        return 1

    def part(self) -> Part:
        """See ControlKind."""
        names = controlnet_keymap(self.net)
        landings = {(new if self.of_diffusers else old): (Landing(new),) for old, new in names.items()}
        return Part("controlnet", self.prefix, build("ControlNet", _controlnet, self.net), landings)

    def opened(self, module: nn.Module) -> nn.Module:
        """See ControlKind."""
        net: Any = module
        net.controlnet_cond_embedding = ReadHint(net.controlnet_cond_embedding)
        return module

    def check_fit(self, module: nn.Module, denoiser: Denoiser) -> None:
        """See ControlKind."""
        self.check_traits(module.config, denoiser)

    def check_traits(self, net: Any, denoiser: Denoiser) -> None:
        """As check_fit, of a ControlNet with this configuration."""
        unet = getattr(denoiser.network, "config", None)
        if _traits(net) == _traits(unet):
            return
        wanted = f"its {self.noun} is for a {title_of(self.name)} model with {_described(net)}"
        if None in _traits(unet):
            raise DiffusionError(f"{wanted}; this is a model of another family")
        raise DiffusionError(f"{wanted}; this model has {_described(unet)}")

    def joined(self, module: nn.Module, denoiser: Denoiser, memory: DeviceMemory | None = None) -> nn.Module:
        """See ControlKind."""
        return module

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """See ControlKind."""
        reader: Any = module.controlnet_cond_embedding
        return (reader.reader(hint),)

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
        """See ControlKind.

        For the skip connections in their order, for the middle, and, where something is added on the way down, for what
        each input block gives.
        """
        dtype = next(module.parameters()).dtype
        skips, middle = module(
            sample.to(dtype),
            timestep,
            encoder_hidden_states=context.to(dtype),
            controlnet_cond=read[0],
            conditioning_scale=strength,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return [*skips, middle]


class ReadHint(nn.Module):
    """Stands in a ControlNet where its hint is read: what comes in was read by `reader` already, once a run."""

    def __init__(self, reader: nn.Module) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, read: Tensor) -> Tensor:
        """read: [B,C,h,w], what `reader` gave."""
        return read


def _controlnet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import ControlNetModel

    # diffusers does not say what its constructors take.
    return cast("Callable[..., nn.Module]", ControlNetModel)(**config)


def _traits(config: Any) -> tuple[Any, ...]:
    """What a ControlNet and its UNet have in common; None for what a network of another family does not have."""
    widths = getattr(config, "block_out_channels", None)
    text, layers = (getattr(config, name, None) for name in ("cross_attention_dim", "layers_per_block"))
    return text, None if widths is None else tuple(widths), layers


def _described(config: Any) -> str:
    return f"{config.cross_attention_dim}-wide text and levels of {list(config.block_out_channels)}"


def widths(config: Any) -> list[int]:
    return list(config["block_out_channels"])
