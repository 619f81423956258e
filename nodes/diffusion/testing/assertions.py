"""What the nodes of ComfyUI-test-framework assert: equality, perceptual hashes, colours, shapes, ranges.

Each check returns a line that says what holds, or raises AssertionFailed with what was expected and got.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.testing.measures import near_color, tensor

RTOL, ATOL = 1e-5, 1e-8
HASH_BITS = 64
_AXES = ("batch", "height", "width", "channels")
# Left, top, right, bottom of eyes and mouth, as shares of width and height.
_FACE = ((0.25, 0.3, 0.4, 0.4), (0.6, 0.3, 0.75, 0.4), (0.3, 0.65, 0.7, 0.72))


class AssertionFailed(DiffusionError):
    """What a test expected does not hold."""


def draw(kind: str, width: int, height: int, seed: int) -> Tensor:
    """A picture [1,height,width,3] in 0..1: black, white, noise (torch.rand by the seed), or a drawn face."""
    shape = (1, height, width, 3)
    if kind == "noise":
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    if kind in ("black", "white"):
        return torch.full(shape, 0.0 if kind == "black" else 1.0)
    picture = torch.full(shape, 0.9)
    for left, top, right, bottom in _FACE:
        picture[:, int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = 0.2
    return picture


def difference(one: Any, other: Any, place: str = "the value") -> str:
    """Where two values begin to differ and how, in words; empty where they are equal.

    Tensors and arrays of numbers are equal to rounding (rtol 1e-5, atol 1e-8), NaN equals nothing; containers are
    opened.
    """
    if isinstance(one, numpy.ndarray) and isinstance(other, numpy.ndarray):
        first, second = tensor(one), tensor(other)
        one, other = (first, second) if first is not None and second is not None else (one.tolist(), other.tolist())
    if type(one) is not type(other):
        return f"{place} is of type {type(one).__name__} and of type {type(other).__name__}"
    if isinstance(one, Tensor):
        return _tensor_difference(one, other, place)
    if isinstance(one, Mapping):
        if one.keys() != other.keys():
            return f"{place} has the keys {sorted(map(str, one))} and {sorted(map(str, other))}"
        pairs = (difference(one[key], other[key], f"{place}[{key!r}]") for key in one)
        return next(filter(None, pairs), "")
    if isinstance(one, Sequence) and not isinstance(one, str | bytes):
        if len(one) != len(other):
            return f"{place} has {len(one)} entries and {len(other)}"
        pairs = (difference(*both, f"{place}[{index}]") for index, both in enumerate(zip(one, other, strict=True)))
        return next(filter(None, pairs), "")
    return "" if one == other else f"{place} is {one!r:.80} and {other!r:.80}"


def _tensor_difference(one: Tensor, other: Tensor, place: str) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        texts = [f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}" for tensor in (one, other)]
        return f"{place} is a tensor {texts[0]} and {texts[1]}"
    other = other.to(one.device)
    if torch.allclose(one, other, rtol=RTOL, atol=ATOL):
        return ""
    far = ~torch.isclose(one, other, rtol=RTOL, atol=ATOL)
    index = far.nonzero()[0].tolist()
    first, second = (side[tuple(index)].item() for side in (one, other))
    count = f"{int(far.sum())} of {far.numel()} values"
    return f"{place} differs in {count}, first at {index}: {first:.6g} and {second:.6g}"


def dhash(picture: Tensor) -> str:
    """The difference hash of one picture [H,W,C] in 0..1: 64 digits, a 1 where a pixel is brighter than its left one.

    uint8(255 x), greyscale ("L"), resized to 9 x 8 with Lanczos, read row by row.
    """
    values = (picture.float() * 255).nan_to_num().clamp(0, 255).to(torch.uint8).cpu().numpy()
    image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).convert("L")
    grey = numpy.asarray(image.resize((9, 8), Image.Resampling.LANCZOS))
    return "".join("1" if bit else "0" for bit in (grey[:, 1:] > grey[:, :-1]).flatten())


def match_hashes(images: Tensor, expected: str, delta: float) -> str:
    """Compare every picture [B,H,W,C] with its hash, or with the only one.

    Args:
        expected: hashes of 64 digits with spaces or commas between: one, or one a picture.
        delta: the share of a picture's bits that may differ.

    Raises:
        AssertionFailed: no picture, no hash (the message tells the actual ones), a malformed one, another number, a
            picture that differs by more.
    """
    _require_axes(images)
    got = [dhash(picture) for picture in images]
    if not got:
        raise AssertionFailed("expected pictures, got an empty batch")
    wanted = expected.replace(",", " ").split()
    if not wanted:
        raise AssertionFailed(f"expected a hash to compare with, got an empty text; the picture's is {' '.join(got)}")
    for text in wanted:
        if len(text) != HASH_BITS or set(text) - {"0", "1"}:
            raise AssertionFailed(f"expected a hash of {HASH_BITS} digits 0 and 1, got {text[:80]!r} ({len(text)})")
    if len(wanted) not in (1, len(got)):
        raise AssertionFailed(f"expected one hash or {len(got)}, one a picture, got {len(wanted)}")
    wanted = wanted * len(got) if len(wanted) == 1 else wanted
    most = 0
    for number, (own, other) in enumerate(zip(got, wanted, strict=True), 1):
        differing = sum(a != b for a, b in zip(own, other, strict=True))
        if differing / HASH_BITS > delta:
            share = f"{differing} of {HASH_BITS} bits ({differing / HASH_BITS:.3f}), more than delta {delta:g}"
            raise AssertionFailed(f"picture {number} of {len(got)} differs in {share}: expected {other}, got {own}")
        most = max(most, differing)
    count = f"{len(got)} picture{'s' if len(got) > 1 else ''}"
    return f"{count} as remembered: at most {most} of {HASH_BITS} bits differ"


def count_color(images: Tensor, color: str, tolerance: float, least: int) -> str:
    """Count the pixels of a batch near a colour (`#RRGGBB`, `#RGB` or `r,g,b`). Raises AssertionFailed for too few."""
    _require_axes(images)
    count = near_color(images, read_color(color), tolerance)
    if count < least:
        raise AssertionFailed(f"expected at least {least} pixels within {tolerance} of {color}, got {count}")
    return f"{count} pixels within {tolerance} of {color}"


def read_color(text: str) -> tuple[int, int, int]:
    """The colour that a text names. Raises AssertionFailed for any other text."""
    digits = text.strip().removeprefix("#")
    parts = digits.split(",")
    try:
        if len(parts) == 3:
            values = [int(part) for part in parts]
        else:
            digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
            values = list(bytes.fromhex(digits)) if len(digits) == 6 else []
        if len(values) == 3 and all(0 <= value <= 255 for value in values):
            return values[0], values[1], values[2]
    except ValueError:
        pass
    raise AssertionFailed(f"expected a colour such as #FF0000 or 255,0,0, got {text[:80]!r}")


def check_shape(tensor: Any, wanted: Sequence[int]) -> str:
    """Compare the shape of a tensor [B,H,W,C]; -1 is any. Raises AssertionFailed naming the axis."""
    _require_axes(tensor)
    shape = list(tensor.shape)
    wrong = [
        f"{axis} {want}, got {got}"
        for axis, want, got in zip(_AXES, wanted, shape, strict=True)
        if want not in (-1, got)
    ]
    if wrong:
        raise AssertionFailed(f"expected {'; '.join(wrong)}: the shape is {shape}")
    return f"the shape is {shape}"


def check_range(value: Any, low: float, high: float) -> str:
    """Check that every value of a tensor, or a number, lies in [low, high]. Raises AssertionFailed; NaN never does."""
    if low > high:
        raise AssertionFailed(f"expected min_value up to max_value, got {low:g} and {high:g}")
    if isinstance(value, bool) or not isinstance(value, Tensor | int | float):
        raise AssertionFailed(f"expected a tensor or a number, got {type(value).__name__}")
    values = torch.as_tensor(value, dtype=torch.float64)
    if not values.numel():
        raise AssertionFailed(f"expected values, got a tensor of the shape {list(values.shape)}")
    outside = ~((values >= low) & (values <= high))
    found = f"from {values.min().item():.6g} to {values.max().item():.6g}"
    if outside.any():
        raise AssertionFailed(
            f"expected values from {low:g} to {high:g}, got {int(outside.sum())} of {values.numel()} outside: {found}"
        )
    return f"all values are in range: {found}"


def _require_axes(tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise AssertionFailed(f"expected a tensor [batch, height, width, channels], got {type(tensor).__name__}")
    if tensor.ndim != 4:
        raise AssertionFailed(f"expected 4 axes (batch, height, width, channels), got the shape {list(tensor.shape)}")
