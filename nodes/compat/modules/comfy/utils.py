"""`comfy.utils`: progress, resizing, tiles, files of weights, and small things on state dicts and modules.

The numbers are those of Weft's own nodes, by the same code.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.engine.context import RunContext, called
from weft.nodes.compat.progress import report

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Hook = Callable[..., Any]
"""`hook(value, total, preview, node_id=...)`: told of progress."""

PROGRESS_BAR_ENABLED = True


def _told(value: float, total: float, preview: Any = None, node_id: str | None = None) -> None:
    report(value, total, preview, _WHOSE.get())


PROGRESS_BAR_HOOK: Hook | None = _told
_WHOSE: ContextVar[RunContext | None] = ContextVar("the context of the node that made the bar", default=None)


def set_progress_bar_enabled(enabled: bool) -> None:
    """Whether a console shows bars, which is not this module's affair: packs read PROGRESS_BAR_ENABLED."""
    global PROGRESS_BAR_ENABLED
    PROGRESS_BAR_ENABLED = enabled


def set_progress_bar_global_hook(function: Hook | None) -> None:
    """Tell this function of progress, in place of the run."""
    global PROGRESS_BAR_HOOK
    PROGRESS_BAR_HOOK = function


class ProgressBar:
    """Says how far the node that is called has come: in a thread of its own, too, if the node made it.

    Each update raises Interrupted where the run is to stop.
    """

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self._whose = called()
        self.total = total
        self.current: float = 0
        self.hook = PROGRESS_BAR_HOOK
        self.node_id = node_id

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        """`value` of `total` is done; `preview` is (format, PIL image, most pixels a side)."""
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        if self.hook is not None:
            before = _WHOSE.set(self._whose)
            try:
                self.hook(self.current, self.total, preview, node_id=self.node_id)
            finally:
                _WHOSE.reset(before)

    def update(self, value: float) -> None:
        """So much more is done."""
        self.update_absolute(self.current + value)


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """Resize [B,C,H,W], or the frames of [B,C,T,H,W]; `crop` "center" cuts to the new aspect first.

    Raises DiffusionError for what cannot be resized.
    """
    from torch.nn.functional import interpolate

    from weft.nodes.diffusion.values import pixels

    if upscale_method in pixels.METHODS:
        return pixels.resize(samples, width, height, upscale_method, "center" if crop == "center" else "disabled")
    cut = pixels.as_pictures(pixels.center(samples, width, height) if crop == "center" else samples)
    return pixels.as_videos(interpolate(cut, size=(height, width), mode=upscale_method), samples)


def lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize [B,C,H,W] as Pillow does, on 8 bits a channel."""
    from weft.nodes.diffusion.values.pixels import METHODS

    return METHODS["lanczos"](samples, width, height)


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize [B,C,H,W], directions of the channel vectors interpolated on the sphere."""
    from weft.nodes.diffusion.values.pixels import METHODS

    return METHODS["bislerp"](samples, width, height)


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """The tensor cut, or repeated, to so many items along an axis."""
    length = tensor.shape[dim]
    if length > batch_size:
        return tensor.narrow(dim, 0, batch_size)
    if length == batch_size:
        return tensor
    times = [1] * tensor.ndim
    times[dim] = math.ceil(batch_size / length)
    return tensor.repeat(times).narrow(dim, 0, batch_size)


def resize_to_batch_size(tensor: Tensor, batch_size: int) -> Tensor:
    """So many items of a batch, taken at even distances from the first to the last; none is mixed of others."""
    import torch

    length = tensor.shape[0]
    if length == batch_size:
        return tensor
    if batch_size <= 1:
        return tensor[:batch_size]
    if batch_size < length:
        scale = (length - 1) / (batch_size - 1)
        picked = [min(round(index * scale), length - 1) for index in range(batch_size)]
    else:
        scale = length / batch_size
        picked = [min(math.floor((index + 0.5) * scale), length - 1) for index in range(batch_size)]
    return tensor[torch.tensor(picked, device=tensor.device)]


def reshape_mask(input_mask: Tensor, output_shape: Sequence[int]) -> Tensor:
    """A mask brought to the size, channels and batch of a shape [B,C,...] with one to three axes of space."""
    from torch.nn.functional import interpolate

    axes = len(output_shape) - 2
    mask = input_mask
    if axes == 1:
        mode = "linear"
    elif axes == 2:
        mode = "bilinear"
        mask = mask.reshape((-1, 1, mask.shape[-2], mask.shape[-1]))
    else:
        mode = "trilinear"
        if mask.ndim < 5:
            mask = mask.reshape((1, 1, -1, mask.shape[-2], mask.shape[-1]))
    mask = interpolate(mask, size=tuple(output_shape[2:]), mode=mode)
    if mask.shape[1] < output_shape[1]:
        mask = mask.repeat((1, output_shape[1]) + (1,) * axes)[:, : output_shape[1]]
    return repeat_to_batch_size(mask, output_shape[0])


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles cover a picture."""
    rows = 1 if height <= tile_y else math.ceil((height - overlap) / (tile_y - overlap))
    columns = 1 if width <= tile_x else math.ceil((width - overlap) / (tile_x - overlap))
    return rows * columns


def tiled_scale(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: float = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    pbar: ProgressBar | None = None,
) -> Tensor:
    """What `function` makes of [B,C,H,W] tile by tile, the overlaps averaged."""
    return tiled_scale_multidim(
        samples, function, (tile_y, tile_x), overlap, upscale_amount, out_channels, output_device, pbar=pbar
    )


def tiled_scale_multidim(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int] = (64, 64),
    overlap: int | Sequence[int] = 8,
    upscale_amount: Any = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    downscale: bool = False,
    index_formulas: Any = None,
    pbar: ProgressBar | None = None,
) -> Tensor:
    """What `function` makes of [B,C,...] tile by tile, along as many axes as `tile` has.

    `overlap`, `upscale_amount` and `index_formulas` are one for all axes or a list; an amount or a formula is a factor
    or a function of a length or a place.
    """
    import torch

    axes = len(tile)
    overlaps = overlap if isinstance(overlap, Sequence) else [overlap] * axes
    scales = [_scaling(each, downscale) for each in _each(upscale_amount, axes)]
    places = [_scaling(each, downscale) for each in _each(index_formulas or upscale_amount, axes)]
    results = []
    for item in samples.split(1):
        lengths = item.shape[2:]
        if all(length <= size for length, size in zip(lengths, tile, strict=True)):
            results.append(function(item).to(output_device))
            if pbar is not None:
                pbar.update(1)
            continue
        shape = [round(scale(length)) for scale, length in zip(scales, lengths, strict=True)]
        total = torch.zeros([1, out_channels, *shape], device=output_device)
        weights = torch.zeros_like(total)
        starts = [
            range(0, length - lap, size - lap) if length > size else [0]
            for length, size, lap in zip(lengths, tile, overlaps, strict=True)
        ]
        for corner in itertools.product(*starts):
            part, at = item, []
            for axis, start in enumerate(corner):
                begin = max(0, min(lengths[axis] - overlaps[axis], start))
                part = part.narrow(axis + 2, begin, min(tile[axis], lengths[axis] - begin))
                at.append(round(places[axis](begin)))
            made = function(part).to(output_device)
            weight = torch.ones_like(made)
            for axis in range(axes):
                _feather(weight, axis + 2, round(scales[axis](overlaps[axis])))
            window = (slice(None), slice(None), *(slice(a, a + n) for a, n in zip(at, made.shape[2:], strict=True)))
            total[window] += made * weight
            weights[window] += weight
            if pbar is not None:
                pbar.update(1)
        results.append(total / weights)
    return torch.cat(results)


def _each(given: Any, axes: int) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else [given] * axes


def _scaling(amount: Any, downscale: bool) -> Callable[[float], float]:
    if callable(amount):
        return amount
    return (lambda length: length / amount) if downscale else (lambda length: length * amount)


def _feather(weight: Tensor, axis: int, ramp: int) -> None:
    """Let the weight of a tile rise over `ramp` at both ends of an axis; one that is no longer counts fully."""
    if ramp >= weight.shape[axis]:
        return
    for step in range(ramp):
        rising = (step + 1) / ramp
        weight.narrow(axis, step, 1).mul_(rising)
        weight.narrow(axis, weight.shape[axis] - 1 - step, 1).mul_(rising)


def load_torch_file(
    ckpt: str | Path, safe_load: bool = False, device: Any = None, return_metadata: bool = False
) -> Any:
    """The tensors of a file of weights, on a device (default: the CPU); with `return_metadata` beside what it says.

    What torch.save wrote stays nested as it is, but for a `state_dict` around all. Nothing in a file is ever run, with
    `safe_load` or without. Raises CheckpointError.
    """
    from weft.nodes.diffusion.weights.header import first_bytes, is_safetensors
    from weft.nodes.diffusion.weights.weightfile import WeightFile, read_object

    path = Path(ckpt)
    metadata: Mapping[str, str] | None = None
    if is_safetensors(first_bytes(path)[0]):
        file = WeightFile(path)
        found: Any = dict(file.tensors())
        metadata = file.metadata or None
    else:
        found = read_object(path)
        if isinstance(found, Mapping):
            inner = found.get("state_dict", next(iter(found.values())) if len(found) == 1 else None)
            found = inner if isinstance(inner, Mapping) else found
    if device is not None:
        found = _moved(found, device)
    return (found, metadata) if return_metadata else found


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _moved(each, device) for name, each in value.items()}
    return value.to(device) if hasattr(value, "to") else value


def save_torch_file(sd: Mapping[str, Tensor], ckpt: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as a safetensors file, whole or not at all."""
    from safetensors.torch import save

    from weft.engine.wholefiles import write_whole

    plain = {name: tensor.contiguous() for name, tensor in sd.items()}
    write_whole(Path(ckpt), save(plain, metadata=dict(metadata) if metadata else None))


def safetensors_header(safetensors_path: str | Path, max_size: int = 100 * 1024 * 1024) -> bytes | None:
    """The header of a safetensors file, as it is; None where it is longer than `max_size`."""
    with open(safetensors_path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return None if length > max_size else stream.read(length)


def calculate_parameters(sd: Mapping[str, Tensor], prefix: str = "") -> int:
    """How many numbers the tensors have whose names begin so."""
    return sum(tensor.nelement() for name, tensor in sd.items() if name.startswith(prefix))


def weight_dtype(sd: Mapping[str, Tensor], prefix: str = "") -> torch.dtype | None:
    """The dtype that most numbers have of the tensors whose names begin so; None where there are none."""
    counts: Counter[torch.dtype] = Counter()
    for name, tensor in sd.items():
        if name.startswith(prefix):
            counts[tensor.dtype] += tensor.numel()
    return counts.most_common(1)[0][0] if counts else None


def state_dict_key_replace(state_dict: dict[str, Any], keys_to_replace: Mapping[str, str]) -> dict[str, Any]:
    """The same dict with keys renamed, old to new."""
    for old, new in keys_to_replace.items():
        if old in state_dict:
            state_dict[new] = state_dict.pop(old)
    return state_dict


def state_dict_prefix_replace(
    state_dict: dict[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False
) -> dict[str, Any]:
    """The same dict with the beginnings of keys renamed; with `filter_keys`, a dict of those alone."""
    found = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for key in [key for key in state_dict if key.startswith(old)]:
            found[new + key[len(old) :]] = state_dict.pop(key)
    return found


def convert_sd_to(state_dict: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The same dict, its tensors of another dtype."""
    for name in list(state_dict):
        state_dict[name] = state_dict[name].to(dtype)
    return state_dict


def get_attr(obj: Any, attr: str) -> Any:
    """The attribute at the end of a path with dots."""
    for name in attr.split("."):
        obj = getattr(obj, name)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """Set the attribute at the end of a path with dots; returns what it was."""
    *path, name = attr.split(".")
    for each in path:
        obj = getattr(obj, each)
    previous = getattr(obj, name)
    setattr(obj, name, value)
    return previous


def set_attr_param(obj: Any, attr: str, value: Tensor) -> Any:
    """set_attr with a parameter that takes no gradient."""
    import torch

    return set_attr(obj, attr, torch.nn.Parameter(value, requires_grad=False))


def copy_to_param(obj: Any, attr: str, value: Tensor) -> None:
    """Copy the numbers of a tensor into a parameter, in place."""
    get_attr(obj, attr).data.copy_(value)


def deepcopy_list_dict(obj: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy of nested lists and dicts; what is in them is the same."""
    if isinstance(obj, dict):
        return {deepcopy_list_dict(key): deepcopy_list_dict(value) for key, value in obj.items()}
    return [deepcopy_list_dict(each) for each in obj] if isinstance(obj, list) else obj


def string_to_seed(data: str | bytes) -> int:
    """The CRC-32 of a text or of bytes; a character counts as its number."""
    crc = 0xFFFFFFFF
    for each in data:
        crc ^= ord(each) if isinstance(each, str) else each
        for _ in range(8):
            crc = (crc >> 1) ^ 0xEDB88320 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def pack_latents(latents: Iterable[Tensor]) -> tuple[Tensor, list[Sequence[int]]]:
    """Latents as one, [B,1,N], and the shapes that they had."""
    import torch

    kept = list(latents)
    flat = [latent.reshape(latent.shape[0], 1, -1) for latent in kept]
    return torch.cat(flat, dim=-1), [latent.shape for latent in kept]


def unpack_latents(combined_latent: Tensor, latent_shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """The inverse of pack_latents."""
    if len(latent_shapes) <= 1:
        return [combined_latent]
    found = []
    for shape in latent_shapes:
        size = math.prod(shape[1:])
        found.append(combined_latent[..., :size].reshape([combined_latent.shape[0], *shape[1:]]))
        combined_latent = combined_latent[..., size:]
    return found
