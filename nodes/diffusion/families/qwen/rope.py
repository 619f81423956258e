"""Where Qwen-Image sees patches and words: pictures are centred, and words follow behind the largest.

diffusers' class puts the middle of an odd number of patches half a patch beside ComfyUI's, which is what people's
pictures are (parity_families/facts.md, trap 5): row i of n is at i - floor(n/2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

THETA = 10_000.0


def centred(axes: Sequence[int], *, layered: bool = False) -> nn.Module:
    """In the place of diffusers' QwenEmbedRope. axes: channels for layers, rows and columns.

    layered: words follow behind all layers, too, as of a model that draws several.
    """

    class CentredRope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.axes = tuple(axes)

        def forward(
            self, places: Tensor, max_txt_seq_len: int, device: torch.device | None = None
        ) -> tuple[Tensor, Tensor]:
            """The angles of pictures' patches and of words. places: as references.places', in the place of shapes."""
            # The farthest row or column above or left of a middle is half of a picture's.
            begin = -places[:, 1:].amin()
            if layered:
                begin = torch.maximum(begin, places[:, 0].amax() + 1)
            words = begin + torch.arange(int(max_txt_seq_len), device=places.device)
            of_pictures = [_angles(places[:, axis], size) for axis, size in enumerate(self.axes)]
            of_words = [_angles(words, size) for size in self.axes]
            return torch.cat(of_pictures, dim=1), torch.cat(of_words, dim=1)

    return CentredRope()


def _angles(places: Tensor, size: int) -> Tensor:
    """[n, size/2] complex: e^(i place theta^(-2k/size))."""
    steps = torch.arange(0, size, 2, device=places.device).float().div(size)
    turned = torch.outer(places.float(), 1.0 / torch.pow(THETA, steps))
    return torch.polar(torch.ones_like(turned), turned)
