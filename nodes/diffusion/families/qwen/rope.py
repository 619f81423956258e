"""Where Qwen-Image sees patches and words: a picture is centred, and words follow behind it.

diffusers' class puts the middle of an odd number of patches half a patch beside ComfyUI's, which is what people's
pictures are (parity_families/facts.md, trap 5): row i of n is at i - floor(n/2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

THETA = 10_000.0


def centred(axes: Sequence[int]) -> nn.Module:
    """In the place of diffusers' QwenEmbedRope, with its face. axes: channels for frames, rows and columns."""

    class CentredRope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.axes = tuple(axes)

        def forward(
            self, shapes: list[list[tuple[int, int, int]]], max_txt_seq_len: int, device: torch.device
        ) -> tuple[Tensor, Tensor]:
            ((frames, height, width), *_) = shapes[0]
            places = torch.meshgrid(
                torch.arange(frames),
                torch.arange(height) - height // 2,
                torch.arange(width) - width // 2,
                indexing="ij",
            )
            begin = max(height // 2, width // 2)
            words = torch.arange(begin, begin + int(max_txt_seq_len))
            of_picture = [_angles(place.reshape(-1), size) for place, size in zip(places, self.axes, strict=True)]
            of_words = [_angles(words, size) for size in self.axes]
            return torch.cat(of_picture, dim=1).to(device), torch.cat(of_words, dim=1).to(device)

    return CentredRope()


def _angles(places: Tensor, size: int) -> Tensor:
    """[n, size/2] complex: e^(i place theta^(-2k/size))."""
    speeds = 1.0 / torch.pow(THETA, torch.arange(0, size, 2).float().div(size))
    turned = torch.outer(places.float(), speeds)
    return torch.polar(torch.ones_like(turned), turned)
