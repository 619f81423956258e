"""Control-LoRAs (Stability AI 2023): a ControlNet as the difference of low rank to the UNet that it steers.

A file has the original layout's names. In place of a weight it may have `up` and `down`, whose product is added to the
same weight of the UNet; a tensor that it has whole replaces the UNet's, and what it lacks is the UNet's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.controlnet import SDControlKind
from weft.nodes.diffusion.families.sd.keymaps import controlnet_keymap
from weft.nodes.diffusion.families.sd.keymaps.controlnet import LOW_RANK
from weft.nodes.diffusion.families.sd.keymaps.unet import encoder_keymap
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser, FileShapes
    from weft.nodes.diffusion.weights.memory import DeviceMemory

_WEIGHT, _UP, _DOWN = ".weight", ".up", ".down"


@dataclass(frozen=True)
class SDControlLoraKind(SDControlKind):
    """See ControlKind. stored: the shapes of the tensors in the file that a ControlNet has a place for."""

    stored: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    noun: ClassVar[str] = "control-LoRA"

    @property
    def marks(self) -> frozenset[str]:
        """See ControlKind."""
        return frozenset({LOW_RANK})

    def part(self) -> Part:
        """See ControlKind. The tensors as the file has them."""
        landings = {key: (Landing(f"tensors.{_flat(key)}"),) for key in self.stored}
        return Part("control-LoRA", self.prefix, build("control-LoRA", Tensors, self.stored), landings)

    def opened(self, module: nn.Module) -> nn.Module:
        """See ControlKind."""
        return module

    def check_fit(self, module: nn.Module, denoiser: Denoiser) -> None:
        """See ControlKind."""
        self.check_traits(SimpleNamespace(**self.net), denoiser)

    def joined(self, module: nn.Module, denoiser: Denoiser, memory: DeviceMemory | None = None) -> nn.Module:
        """See ControlKind. The ControlNet that its tensors and the weights of the UNet make."""
        assert isinstance(module, Tensors)
        whole = super().part().module
        if memory is not None:
            memory.make_room(sum(each.numel() for each in whole.parameters()) * denoiser.dtype.itemsize)
        unet = dict(denoiser.network.named_parameters())
        with torch.inference_mode(False), torch.no_grad():
            state = {
                new: _weight(module, old, new, unet.get(new)).to(denoiser.device, denoiser.dtype)
                for old, new in controlnet_keymap(self.net).items()
            }
            for name, parameter in whole.named_parameters():
                if state[name].shape != parameter.shape:
                    raise DiffusionError(
                        f"its control-LoRA is for a model whose {name!r} is {list(parameter.shape)}; "
                        f"in this model it is {list(state[name].shape)}"
                    )
            whole.load_state_dict(state, strict=True, assign=True)
        return super().opened(whole.requires_grad_(False))


class Tensors(nn.Module):
    """The tensors of a file, by their names in it. shapes: by these names."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        made = {_flat(name): nn.Parameter(torch.empty(shape), requires_grad=False) for name, shape in shapes.items()}
        self.tensors = nn.ParameterDict(made)

    def get(self, name: str) -> Tensor | None:
        """The tensor of this name, if there is one."""
        tensor: Tensor | None = self.tensors.get(_flat(name))
        return tensor


def whole_shapes(shapes: FileShapes) -> dict[str, tuple[int, ...]]:
    """The shapes of the ControlNet's tensors that a file holds or changes, by their names in the original layout.

    Raises:
        CheckpointError: one half of a product is missing, or the halves do not fit.
    """
    whole = {key: tuple(shape) for key, shape in shapes.items() if key != LOW_RANK and not key.endswith((_UP, _DOWN))}
    halves = {key.rpartition(".")[0] for key in shapes if key.endswith((_UP, _DOWN))}
    for layer in sorted(halves):
        missing = next((layer + end for end in (_UP, _DOWN) if layer + end not in shapes), None)
        if missing:
            raise CheckpointError(f"missing key {missing!r}: a control-LoRA has up and down of a layer")
        up, down = shapes[layer + _UP], shapes[layer + _DOWN]
        if min(len(up), len(down)) < 2 or up[1] != down[0]:
            raise CheckpointError(f"up {list(up)} and down {list(down)} of {layer!r} do not fit")
        whole.setdefault(layer + _WEIGHT, (up[0], *down[1:]))
    return whole


def control_lora(name: str, net: Mapping[str, Any], shapes: FileShapes) -> SDControlLoraKind:
    """The kind of a file with these tensors. name: of the release. net: keyword arguments of ControlNetModel.

    Raises:
        CheckpointError: a tensor that no UNet has is missing.
    """
    of_unet = {old for old, _ in encoder_keymap(net)[0]}
    stored: dict[str, tuple[int, ...]] = {}
    for key in controlnet_keymap(net):
        layer = key.removesuffix(_WEIGHT)
        kept = [end for end in ((key,) if key in shapes else (layer + _UP, layer + _DOWN)) if end in shapes]
        if key not in shapes and key not in of_unet:
            raise CheckpointError(f"missing key {key!r}: a control-LoRA has it whole")
        stored |= {each: tuple(shapes[each]) for each in kept}
    return SDControlLoraKind(name, net, "", False, False, stored)


def _weight(own: Tensors, old: str, new: str, below: Tensor | None) -> Tensor:
    """One weight of the ControlNet. below: the UNet's."""
    whole = own.get(old)
    if whole is not None:
        return whole
    if below is None:
        raise DiffusionError(f"its control-LoRA takes {new!r} from the model, which has none")
    layer = old.removesuffix(_WEIGHT)
    up, down = own.get(layer + _UP), own.get(layer + _DOWN)
    if up is None or down is None:
        return below.detach()
    up, down = up.to(below.device), down.to(below.device)
    shape = (up.shape[0], *down.shape[1:])
    if shape != below.shape:
        raise DiffusionError(
            f"its control-LoRA is for a model whose {new!r} is {list(shape)}; in this model it is {list(below.shape)}"
        )
    return below.float() + (up.float().flatten(1) @ down.float().flatten(1)).reshape(shape)


def _flat(name: str) -> str:
    # Names of parameters have no dots.
    return name.replace(".", "/")
