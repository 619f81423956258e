"""Networks that enlarge images: ESRGAN's, and the compact one of Real-ESRGAN.

Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks"; Wang et al. 2021, "Real-ESRGAN:
Training Real-World Blind Super-Resolution with Pure Synthetic Data", which adds the unshuffled input for factors below
4 and the compact network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, pixel_shuffle, pixel_unshuffle

SLOPE = 0.2  # of the leaky ReLUs
RESIDUAL = 0.2  # the share of a block's result that is added to its input (ESRGAN, section 3.1)
BLOCK_LAYERS = 5
# Images that are unshuffled are padded to a multiple of this, also where 2 would do: spandrel's rule, ComfyUI's loader.
UNSHUFFLED_SIDES = 4


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """Convolutions that each read what all before them gave."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for layer in range(BLOCK_LAYERS):
            outputs = growth if layer < BLOCK_LAYERS - 1 else features
            self.add_module(f"conv{layer + 1}", _conv(features + layer * growth, outputs))
        self._activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] -> [B,C,H,W]."""
        seen = [x]
        for layer in range(BLOCK_LAYERS - 1):
            seen.append(self._activation(self.get_submodule(f"conv{layer + 1}")(torch.cat(seen, dim=1))))
        result: Tensor = self.get_submodule(f"conv{BLOCK_LAYERS}")(torch.cat(seen, dim=1))
        return result * RESIDUAL + x


class ResidualBlock(nn.Module):
    """Three dense blocks, and their input again: an RRDB."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features, growth)
        self.rdb2 = DenseBlock(features, growth)
        self.rdb3 = DenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] -> [B,C,H,W]."""
        result: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return result * RESIDUAL + x


class RRDBNet(nn.Module):
    """ESRGAN's generator.

    scale: how many times larger what comes out is.

    Args:
        channels: of the image, in and out.
        features, growth: widths of the blocks and of the layers inside.
        blocks: how many.
        doublings: how often the image is doubled at the end.
        unshuffle: by how much it is made smaller, and its channels more, at the start.
    """

    def __init__(
        self, *, channels: int, features: int, growth: int, blocks: int, doublings: int, unshuffle: int = 1
    ) -> None:
        super().__init__()
        self.channels = channels
        self.unshuffle = unshuffle
        self.scale = 2**doublings // unshuffle
        self.conv_first = _conv(channels * unshuffle**2, features)
        self.body = nn.Sequential(*(ResidualBlock(features, growth) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.up = nn.ModuleList(_conv(features, features) for _ in range(doublings))
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, channels)
        self._activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, image: Tensor) -> Tensor:
        """[B,C,H,W] in 0..1 -> [B,C,H*scale,W*scale] in about 0..1."""
        height, width = image.shape[-2:]
        if self.unshuffle > 1:
            image = pixel_unshuffle(_padded(image, max(self.unshuffle, UNSHUFFLED_SIDES)), self.unshuffle)
        x = self.conv_first(image)
        x = x + self.conv_body(self.body(x))
        for conv in self.up:
            x = self._activation(conv(interpolate(x, scale_factor=2, mode="nearest")))
        result: Tensor = self.conv_last(self._activation(self.conv_hr(x)))
        return result[..., : height * self.scale, : width * self.scale]


def _padded(image: Tensor, multiple: int) -> Tensor:
    """With sides that are multiples: mirrored at the right and the bottom, the last pixels repeated where it ends."""
    height, width = image.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    mirrored = min(right, width - 1), min(bottom, height - 1)
    image = pad(image, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
    return pad(image, (0, right - mirrored[0], 0, bottom - mirrored[1]), mode="replicate")


class CompactNet(nn.Module):
    """SRVGGNetCompact: a plain stack of convolutions at the size of the input, then one shuffle.

    Args:
        channels: of the image, in and out.
        features, layers: width and number of the convolutions between the first and the last.
        scale: the factor.
    """

    def __init__(self, *, channels: int, features: int, layers: int, scale: int) -> None:
        super().__init__()
        self.channels = channels
        self.scale = scale
        parts: list[nn.Module] = []
        for layer in range(layers + 1):
            parts += [_conv(features if layer else channels, features), nn.PReLU(features)]
        self.body = nn.Sequential(*parts, _conv(features, channels * scale**2))

    def forward(self, image: Tensor) -> Tensor:
        """[B,C,H,W] in 0..1 -> [B,C,H*scale,W*scale] in about 0..1."""
        return pixel_shuffle(self.body(image), self.scale) + interpolate(image, scale_factor=self.scale, mode="nearest")
