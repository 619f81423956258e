"""The UPSCALE_MODEL socket: networks that enlarge images, opened from files of every layout that they come in.

Which network it is and all its sizes are told by the keys and shapes of the file. Numbers: goldens hires_pixel,
hires_both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.known import describe
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.tiling import Report, mean_over_tilings
from weft.nodes.diffusion.values.upscale_networks import BLOCK_LAYERS, CompactNet, RRDBNet
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Weights, opened

TILE = 512
OVERLAP = 32
SMALLEST_TILE = 128
# What trainers wrap the weights in; the running average of training is taken where there is one.
_WRAPPERS = re.compile(r"((params_ema|params-ema|g_ema|params|model|net|netG|generator|module)\.)*")
_AVERAGES = ("params_ema.", "params-ema.", "g_ema.")

# The layers' names in the file -> in the network.
Names = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class UpscaleModel:
    """An opened network. channels: of the images it takes."""

    network: PatchedNetwork
    scale: int
    channels: int

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def __call__(self, image: Tensor) -> Tensor:
        """[B,C,H,W] -> [B,C,H*scale,W*scale] where it computes, as packs call it: no tiles, not clamped."""
        return _enlarge(self.network.module(), image)

    def to(self, *_: Any, **__: Any) -> UpscaleModel:
        """Itself: it comes to its device when it is asked to compute."""
        return self

    cpu = cuda = eval = to

    @property
    def model(self) -> nn.Module:
        """The network."""
        return self.network.module()

    def upscale(self, image: Tensor, report: Report | None = None) -> Tensor:
        """[B,H,W,C] in 0..1 -> [B,H*scale,W*scale,C] float32 on the CPU, clamped to 0..1.

        In tiles of 512x512 pixels that share 32, smaller ones where the device's memory does not suffice.

        Raises:
            DiffusionError: no image of this form, or of other channels.
        """
        shape = list(image.shape)
        if len(shape) != 4 or shape[-1] != self.channels or 0 in shape or not image.is_floating_point():
            expected = f"[batch, height, width, {self.channels}] float"
            raise DiffusionError(f"this upscale model takes {expected}, got {shape} {image.dtype}")
        enlarge = finite(self.network.module(), _enlarge, "the upscale model")
        tile = TILE
        while True:
            try:
                pixels = mean_over_tilings(
                    image.movedim(-1, 1), enlarge, [(tile, tile)], OVERLAP, Fraction(self.scale), report
                )
                return pixels.clamp(0.0, 1.0).movedim(1, -1)
            except torch.OutOfMemoryError:
                tile //= 2
                if tile < SMALLEST_TILE:
                    raise


@torch.inference_mode()
def _enlarge(module: Any, image: Tensor) -> Tensor:
    result: Tensor = module(image.to(next(module.parameters())))
    return result


def load_upscale_model(path: Path | Weights, *, device: torch.device | DeviceMemory) -> UpscaleModel:
    """Open an ESRGAN, Real-ESRGAN or SRVGGNetCompact; it computes in float32.

    Raises:
        CheckpointError: no file of weights (a `.pth` is opened with weights_only), or of another network; the message
            says what it is.
    """
    with in_file(path):
        file = opened(path)
        part = plan_upscale_model(file.shapes)
        fill(file, [part], {part.name: torch.float32})
    module: Any = part.module
    return UpscaleModel(PatchedNetwork(module, memory_of(device)), module.scale, module.channels)


def plan_upscale_model(shapes: Mapping[str, tuple[int, ...]]) -> Part:
    """The network of an upscaler's file, still without weights; every key and shape is checked.

    Raises:
        CheckpointError: as load_upscale_model.
    """
    for mark, layout in _LAYOUTS.items():
        prefix = _prefix(shapes, mark)
        if prefix is None:
            continue
        own = Shapes(shapes, prefix)
        network, names = layout(own)
        known = {name for name, _ in network.named_parameters()}
        landings = {
            f"{old}.{leaf}": (Landing(f"{new}.{leaf}"),)
            for old, new in names.items()
            for leaf in ("weight", "bias")
            if f"{new}.{leaf}" in known
        }
        part = Part("upscaler", prefix, network, landings)
        check([part], {prefix + name: shapes[prefix + name] for name in own})
        return part
    raise CheckpointError(
        f"no upscaler of a known kind, but {describe(shapes)}; known are ESRGAN and Real-ESRGAN (RRDBNet) and "
        "SRVGGNetCompact"
    )


def _prefix(shapes: Iterable[str], mark: str) -> str | None:
    """What stands before the keys of a layout, or None where the file has none of it."""
    prefixes = [key[: -len(mark)] for key in shapes if key.endswith(mark)]
    found = [prefix for prefix in prefixes if _WRAPPERS.fullmatch(prefix)]
    averages = [prefix for prefix in found if prefix.endswith(_AVERAGES)]
    return next(iter(averages or found), None)


def _compact(own: Shapes) -> tuple[nn.Module, Names]:
    features, channels = own.of("body.0.weight", 4)[:2]
    last = own.indices(r"body\.(\d+)\.")[-1]
    if last % 2 or last < 4 or not own.any("body.1."):
        raise CheckpointError(f"SRVGGNetCompact with body.0 .. body.{last}: expected PReLUs between convolutions")
    scale = _root(own.of(f"body.{last}.weight", 4)[0], channels, "the last convolution gives")
    sizes = {"channels": channels, "features": features, "layers": last // 2 - 1, "scale": scale}
    network = build("SRVGGNetCompact", lambda config: CompactNet(**config), sizes)
    return network, {f"body.{index}": f"body.{index}" for index in range(last + 1)}


def _rrdb(
    own: Shapes, first: str, blocks: str, block: str, ups: Sequence[str], names: Names
) -> tuple[nn.Module, Names]:
    """An RRDBNet. first, blocks, block: names of its first convolution, of its blocks and of the layers in one."""
    features, inputs = own.of(f"{first}.weight", 4)[:2]
    # Behind the blocks of the old layout stands one convolution more.
    count = own.indices(re.escape(blocks) + r"\.(\d+)\." + re.escape(block.format(1, 1)))[-1] + 1
    growth = own.of(f"{blocks}.0.{block.format(1, 1)}.weight", 4)[0]
    last = next(old for old, new in names.items() if new == "conv_last")
    channels = own.of(f"{last}.weight", 4)[0]
    unshuffle = _root(inputs, channels, "the first convolution reads")
    if 2 ** len(ups) % unshuffle:
        raise CheckpointError(f"an ESRGAN that shrinks images {unshuffle} times and doubles them {len(ups)} times")
    sizes = {"channels": channels, "features": features, "growth": growth, "blocks": count}
    sizes |= {"doublings": len(ups), "unshuffle": unshuffle}
    network = build("RRDBNet", lambda config: RRDBNet(**config), sizes)
    layers = {
        f"{blocks}.{i}.{block.format(j, k)}": f"body.{i}.rdb{j}.conv{k}"
        for i in range(count)
        for j in range(1, 4)
        for k in range(1, BLOCK_LAYERS + 1)
    }
    return network, {**names, **layers, **{old: f"up.{place}" for place, old in enumerate(ups)}}


def _old_rrdb(own: Shapes) -> tuple[nn.Module, Names]:
    """ESRGAN as first published: everything by its number in one nn.Sequential."""
    first, body, *ups, hr, last = own.indices(r"model\.(\d+)\.")
    trunk = f"model.{body}.sub"
    count = own.indices(re.escape(trunk) + r"\.(\d+)\.")[-1]
    names = {"model.0": "conv_first", f"{trunk}.{count}": "conv_body"}
    names |= {f"model.{hr}": "conv_hr", f"model.{last}": "conv_last"}
    return _rrdb(own, f"model.{first}", trunk, "RDB{}.conv{}.0", [f"model.{up}" for up in ups], names)


def _named_rrdb(block: str, trunk: str, up: str, names: Names) -> Callable[[Shapes], tuple[nn.Module, Names]]:
    def layout(own: Shapes) -> tuple[nn.Module, Names]:
        ups = [up.format(number) for number in own.indices(up.format(r"(\d+)") + r"\.")]
        return _rrdb(own, "conv_first", trunk, block, ups, names)

    return layout


def _root(more: int, channels: int, what: str) -> int:
    """By how much images are shuffled: the root of how many times more channels there are."""
    times = isqrt(more // channels) if channels else 0
    if not times or channels * times**2 != more:
        raise CheckpointError(f"an upscaler of {channels} channels of which {what} {more}: no square number of times")
    return times


_SAME = {"conv_first": "conv_first", "conv_last": "conv_last"}
# By a key that only this layout has: what makes the network and says which of its layers stands under which name.
_LAYOUTS: Mapping[str, Callable[[Shapes], tuple[nn.Module, Names]]] = {
    "model.1.sub.0.RDB1.conv1.0.weight": _old_rrdb,
    "RRDB_trunk.0.RDB1.conv1.weight": _named_rrdb(
        "RDB{}.conv{}", "RRDB_trunk", "upconv{}", {**_SAME, "trunk_conv": "conv_body", "HRconv": "conv_hr"}
    ),
    "body.0.rdb1.conv1.weight": _named_rrdb(
        "rdb{}.conv{}", "body", "conv_up{}", {**_SAME, "conv_body": "conv_body", "conv_hr": "conv_hr"}
    ),
    "body.0.weight": _compact,
}


def small_upscaler(scale: int) -> dict[str, Tensor]:
    """The tensors of a file whose network enlarges as nearest neighbour does: a stand-in for any other."""
    network = CompactNet(channels=3, features=4, layers=1, scale=scale)
    return {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
