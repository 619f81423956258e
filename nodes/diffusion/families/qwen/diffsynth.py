"""ControlNets of Qwen-Image as DiffSynth-Studio publishes them: model patches that step in behind every block.

`blockwise`: canny, depth, and inpaint, which reads where to paint beside the picture. What the arithmetic is follows
DiffSynth-Studio's (Apache 2.0): img_in of the picture's latent, once; behind each block, of the rows x of what is
sampled and y of the picture, x + strength * output_proj(gelu(input_proj(norm(x) + norm(y)))).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.patches import packed, wrapped
from weft.nodes.diffusion.families.qwen.glance import read_blockwise
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.replaced import Around
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.model_patches import Sights
    from weft.nodes.diffusion.families.protocol import FileShapes

PLAIN, MASKED = 64, 68
"""Numbers of a patch of a latent, without a mask and with one."""
_EPSILON = 1e-6


class ControlBlock(nn.Module):
    """What is added behind one block of a network `width` wide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.x_rms = nn.RMSNorm(width, eps=_EPSILON)
        self.y_rms = nn.RMSNorm(width, eps=_EPSILON)
        self.input_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)

    def forward(self, rows: Tensor, seen: Tensor) -> Tensor:
        """[N,n,C] of rows of the network and of the picture."""
        inner = self.input_proj(self.x_rms(rows) + self.y_rms(seen))
        added: Tensor = self.output_proj(nn.functional.gelu(inner))
        return added


class Blockwise(nn.Module):
    """A ControlNet for a network of so many blocks, `width` wide; patched: numbers of a patch that it sees."""

    def __init__(self, width: int, blocks: int, patched: int) -> None:
        super().__init__()
        self.img_in = nn.Linear(patched, width)
        self.controlnet_blocks = nn.ModuleList(ControlBlock(width) for _ in range(blocks))


@dataclass(frozen=True)
class BlockwiseKind:
    """See SightKind. sizes: keyword arguments of Blockwise. prefix: before its keys in the file."""

    sizes: Mapping[str, int]
    prefix: str = ""

    name = "qwen_image"
    title = "a DiffSynth ControlNet for Qwen-Image"
    applied_by = "QwenImageDiffsynthControlnet"
    ignored: ClassVar[Mapping[str, str]] = {}

    def part(self) -> Part:
        """See PatchKind."""
        module = build("model patch", lambda sizes: Blockwise(**sizes), self.sizes)
        return Part(
            "patch", self.prefix, module, {name: (Landing(name),) for name, _ in module.named_parameters()}, True
        )

    def check_fit(self, module: nn.Module, network: nn.Module) -> None:
        """See PatchKind."""
        config = cast("Any", network).config
        got = config.num_layers, config.num_attention_heads * config.attention_head_dim
        wanted = self.sizes["blocks"], self.sizes["width"]
        if got != wanted:
            raise DiffusionError(
                f"this model patch is {self.title} of {wanted[0]} blocks, {wanted[1]} wide; this model has {got[0]}, "
                f"{got[1]} wide"
            )

    def check_shown(self, *, picture: bool, mask: bool, painted: bool) -> None:
        """See SightKind."""
        if painted:
            raise DiffusionError(f"this model patch is {self.title}, which sees one picture: connect it as image")
        if not picture:
            raise DiffusionError(f"this model patch is {self.title}, which needs a picture to see: connect an image")
        if mask and not self._masked:
            raise DiffusionError(
                f"this model patch is {self.title} that reads no mask: expected none, or the ControlNet for inpainting"
            )
        if self._masked and not mask:
            raise DiffusionError(f"this model patch is {self.title} for inpainting: connect the mask of what to paint")

    @property
    def _masked(self) -> bool:
        return self.sizes["patched"] == MASKED

    def seen(self, module: nn.Module, shown: Sights) -> Tensor:
        """See SightKind: rows [B,n,C]. Where something is painted, the picture is black, and the mask's channel 0."""
        picture, mask = cast("Tensor", shown.picture), shown.mask
        if mask is not None:
            picture = picture * (mask <= 0.5)[..., None]
        latents = QwenImageKind({}).latent_format.to_network(shown.encode(picture)[:, :, None])[:, :, 0]
        if mask is not None:
            kept = 1 - nn.functional.interpolate(mask[:, None], size=latents.shape[-2:])
            count = max(len(kept), len(latents))
            latents = torch.cat([each.expand(count, -1, -1, -1) for each in (latents, kept.to(latents))], dim=1)
        net = cast("Blockwise", module)
        rows: Tensor = net.img_in(packed(wrapped(latents, 2)).to(net.img_in.weight))
        return rows

    def joined(self, module: nn.Module, network: nn.Module, seen: Tensor, strength: float) -> nn.Module:
        """See SightKind."""
        net, view = cast("Blockwise", module), copy.copy(network)
        blocks = zip(cast("Any", network).transformer_blocks, net.controlnet_blocks, strict=True)
        behind = (SteeredBlock(block, cast("ControlBlock", control), seen, strength) for block, control in blocks)
        view._modules = {**network._modules, "transformer_blocks": nn.ModuleList(behind)}
        return view


class SteeredBlock(Around):
    """A block of Qwen-Image, called as that is, with what a ControlNet adds to its first rows: those of the picture."""

    def __init__(self, block: nn.Module, control: ControlBlock, seen: Tensor, strength: float) -> None:
        super().__init__(block)
        self.control = control
        self.seen = seen
        self.strength = strength

    def around(self, block: nn.Module) -> SteeredBlock:
        """See Around."""
        return SteeredBlock(block, self.control, self.seen, self.strength)

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
        """(text, rows), as the block's."""
        called = cast("Callable[..., tuple[Tensor, Tensor]]", self.block)
        text, rows = called(hidden_states=hidden_states, encoder_hidden_states=encoder_hidden_states, **more)
        count = self.seen.shape[1]
        steered = rows[:, :count]
        added = self.control(steered.to(self.seen.dtype), self.seen) * self.strength
        return text, torch.cat([steered + added.to(rows.dtype), rows[:, count:]], dim=1)


def recognise_patch(shapes: FileShapes) -> BlockwiseKind | None:
    """See Family."""
    found = read_blockwise(shapes)
    if found is None:
        return None
    prefix, sizes = found
    if sizes["patched"] not in (PLAIN, MASKED):
        raise CheckpointError(
            f"{BlockwiseKind.title} that sees {sizes['patched']} numbers a patch: expected {PLAIN}, or {MASKED} with a "
            "mask"
        )
    return BlockwiseKind(sizes, prefix)
