"""Convolutions as a CPU computes them fastest, by their channels and places: measured in docs/performance.md.

Weights stay as they are, so nothing here can be out of date when a patch changes them. Others are nn.Conv2d's.
"""

from __future__ import annotations

from torch import Tensor, addmm, bfloat16, channels_last, contiguous_format, float32, mm, nn
from torch.nn import functional

WIDE = 640
FEW = 512
"""Places (pictures times height times width) up to which WIDE channels are gathered: it takes FEW columns at most."""
BESIDE = 128
MANY = 64 * 64
"""Places from which BESIDE channels of bfloat16 lie beside each other, and so in the layers behind."""


class Convolution(nn.Conv2d):
    """An nn.Conv2d that takes another way to the same sums where that is faster."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.device.type == "cpu" and input.dim() == 4 and input.dtype in (float32, bfloat16):
            pictures, channels, height, width = input.shape
            places = pictures * height * width // (self.stride[0] * self.stride[1])
            if channels >= WIDE and places <= FEW and self._is_plain():
                return self._gathered(input, weight, bias)
            if input.dtype is bfloat16 and channels >= BESIDE and places >= MANY:
                input = input.contiguous(memory_format=channels_last)
        made: Tensor = super()._conv_forward(input, weight, bias)
        return made

    def _is_plain(self) -> bool:
        return (
            self.kernel_size != (1, 1) and self.groups == 1 and self.dilation == (1, 1) and self.padding_mode == "zeros"
        )

    def _gathered(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As one product of matrices: nn.Conv2d packs the weights anew in each call, which takes longer than that."""
        padded = functional.pad(input, self._reversed_padding_repeated_twice)
        windows = padded.unfold(2, self.kernel_size[0], self.stride[0]).unfold(3, self.kernel_size[1], self.stride[1])
        pictures, _, height, width = windows.shape[:4]
        columns = windows.permute(1, 4, 5, 0, 2, 3).reshape(-1, pictures * height * width)
        matrix = weight.flatten(1)
        made = mm(matrix, columns) if bias is None else addmm(bias[:, None], matrix, columns)
        beside = input.is_contiguous(memory_format=channels_last)
        layout = channels_last if beside and not input.is_contiguous() else contiguous_format
        return made.view(-1, pictures, height, width).transpose(0, 1).contiguous(memory_format=layout)


def fast(network: nn.Module) -> nn.Module:
    """The network, its convolutions as Convolution: the same objects, names and weights."""
    for module in network.modules():
        if type(module) is nn.Conv2d:
            module.__class__ = Convolution
    return network
