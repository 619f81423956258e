"""What an element of a latent stands for, and what becomes of a picture or a video that is no whole number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class LatentCell(NamedTuple):
    """What an element of a latent stands for: pixels along a side; of a video, frames behind the first, else 0."""

    pixels: int
    frames: int = 0

    def cut(self, name: str, side: int) -> str:
        """What is said of a side, in pixels, that is made smaller; empty where it is not."""
        rest = side % self.pixels
        return f"{name} {side} becomes {side - rest}: it is no multiple of {self.pixels}" if rest else ""

    def shortened(self, length: int) -> str:
        """What is said of a video, in frames, that is made shorter; empty where it is not."""
        rest = (length - 1) % self.frames if self.frames else 0
        made = f"length {length} becomes {length - rest} frames"
        return f"{made}: expected 1 and a multiple of {self.frames}" if rest else ""

    def tell(self, warn: Callable[[str], None], width: int, height: int, length: int = 1) -> None:
        """Warn of what is not made as it was asked for."""
        for message in (self.cut("width", width), self.cut("height", height), self.shortened(length)):
            if message:
                warn(message)


SIZED: Mapping[str, LatentCell] = {
    "EmptyLatentImage": LatentCell(8),
    "EmptySD3LatentImage": LatentCell(8),
    "EmptyFlux2LatentImage": LatentCell(16),
    "EmptyHunyuanImageLatent": LatentCell(32),
    "EmptyQwenImageLayeredLatentImage": LatentCell(8),
    "EmptyHunyuanLatentVideo": LatentCell(8, 4),
    "EmptyHunyuanVideo15Latent": LatentCell(16, 4),
    "EmptyLTXVLatentVideo": LatentCell(32, 8),
    "EmptyMochiLatentVideo": LatentCell(8, 6),
    "EmptyCosmosLatentVideo": LatentCell(8, 8),
    "Wan22ImageToVideoLatent": LatentCell(16, 4),
}
"""By class, of the nodes whose latents have one form, whatever their VAE is."""
