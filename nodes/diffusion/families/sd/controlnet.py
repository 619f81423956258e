"""ControlNets of Stable Diffusion: a copy of the UNet's first half, whose results are added to its skip connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.known import CONTROL_OF_DIFFUSERS, foreign
from weft.nodes.diffusion.families.sd.keymaps import controlnet_keymap, diffusers_shapes, read_controlnet
from weft.nodes.diffusion.families.sd.keymaps.controlnet import DIFFERENCE, PREFIX
from weft.nodes.diffusion.families.sd.releases import LATENT_CHANNELS, completed, release_of, title_of
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser, FileShapes


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
        net, unet = module.config, getattr(denoiser.network, "config", None)
        if _traits(net) == _traits(unet):
            return
        wanted = f"its ControlNet is for a {title_of(self.name)} model with {_described(net)}"
        if None in _traits(unet):
            raise DiffusionError(f"{wanted}; this is a model of another family")
        raise DiffusionError(f"{wanted}; this model has {_described(unet)}")

    def read(self, module: nn.Module, hint: Tensor) -> Tensor:
        """See ControlKind."""
        reader: Any = module.controlnet_cond_embedding
        read: Tensor = reader.reader(hint)
        return read

    def run(
        self,
        module: nn.Module,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        read: Tensor,
        strength: float,
    ) -> list[Tensor]:
        """See ControlKind. For the skip connections in their order, then for the middle."""
        dtype = next(module.parameters()).dtype
        skips, middle = module(
            sample.to(dtype),
            timestep,
            encoder_hidden_states=context.to(dtype),
            controlnet_cond=read,
            conditioning_scale=strength,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return [*skips, middle]


def recognise_controlnet(shapes: FileShapes) -> SDControlKind | None:
    """See Family."""
    from weft.nodes.diffusion.families.sd.union import SDUnionKind, split_union, union_sizes

    own, of_union = split_union({key: shape for key, shape in shapes.items() if key != DIFFERENCE})
    prefix = PREFIX if Shapes(own, PREFIX) else ""
    of_diffusers = CONTROL_OF_DIFFUSERS in own
    other = foreign(own)
    original = diffusers_shapes(own) if of_diffusers and not other else own
    if other or f"{prefix}input_hint_block.0.weight" not in original:
        return None
    net = read_controlnet(Shapes(original, prefix))
    release = release_of(net)
    if release is None or net["in_channels"] != LATENT_CHANNELS or net["conditioning_channels"] != 3:
        got = f"{net['in_channels']} latent and {net['conditioning_channels']} image channels"
        raise CheckpointError(f"this ControlNet is of no known family: it reads {got}, and levels of {_widths(net)}")
    sizes, is_difference = completed(net, release), DIFFERENCE in shapes
    if not of_union:
        return SDControlKind(release.name, sizes, prefix, of_diffusers, is_difference)
    if not of_diffusers:
        raise CheckpointError("a union ControlNet in the original layout is not supported; expected diffusers' names")
    return SDUnionKind(release.name, {**sizes, **union_sizes(of_union)}, prefix, of_diffusers, is_difference)


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
    return f"{config.cross_attention_dim}-wide text and levels of {_widths(config)}"


def _widths(config: Any) -> list[int]:
    return list(config["block_out_channels"])
