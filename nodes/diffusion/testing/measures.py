"""What a workflow test needs to know of tensors: digests, statistics, how far two are apart, and pictures of them.

The torch half of engine/testing, which finds this module by the pack of the built-in nodes and knows its functions
by the protocol weft.engine.testing.instrument.Instrument. Knows no node and no golden.
"""

from __future__ import annotations

import hashlib
import io
import math
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.tally import Tally, counting
from weft.nodes.diffusion.values.imagefile import MAX_PIXELS, frames, open_image
from weft.nodes.diffusion.weights.memory import resolve_device, resolve_dtype

SAMPLES = 16
"""Values of a tensor, evenly spread, that a golden keeps even where it does not keep the tensor."""

PACKAGES = ("torch", "diffusers", "transformers", "numpy", "scipy", "pillow", "torchsde")
"""Whose versions can change numbers."""

_MEASURED = (torch.float16, torch.bfloat16, torch.float32, torch.float64,
             torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)  # fmt: skip

SSIM_SIDE = 7  # the window of Wang et al. 2004 as scikit-image has it; no picture can be smaller


def tensor(value: Any) -> Tensor | None:
    """The value as a tensor, or None for what is none; a numpy array counts as one."""
    if isinstance(value, Tensor):
        return value.detach() if not value.is_meta and value.layout is torch.strided else None
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biufc":
        return torch.from_numpy(numpy.ascontiguousarray(value))
    return None


def kept(value: Tensor) -> Tensor:
    """A copy on the CPU that nobody writes into."""
    return value.detach().to("cpu", copy=True).contiguous()


def digest(value: Tensor) -> str:
    """blake2b-256 over dtype, shape and content, in hex. Equal exactly for equal bits."""
    data = value.detach().cpu().contiguous().reshape(-1)
    found = hashlib.blake2b(f"{value.dtype}{tuple(value.shape)}".encode(), digest_size=32)
    if data.numel():
        content: Any = data.view(torch.uint8).numpy()
        found.update(content)
    return found.hexdigest()


def facts(value: Tensor) -> dict[str, Any]:
    """Digest, dtype, shape, smallest, largest, mean, standard deviation, how many are not finite, and some values.

    Of the finite values, in float64 on the CPU; a complex tensor has no order and so only the digest.
    """
    data = value.detach().cpu()
    found: dict[str, Any] = {
        "digest": digest(value),
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
    }
    if not data.numel() or data.is_complex():
        return found
    flat = data.reshape(-1)
    if flat.dtype not in _MEASURED:  # uint16, float8, ...: torch has hardly an operation for them
        flat = flat.to(torch.float32 if flat.is_floating_point() else torch.float64)
    if flat.is_floating_point():
        finite = torch.isfinite(flat)
        bad = int(flat.numel() - finite.sum())
        if bad:
            found["bad"] = bad
            flat = flat[finite]
            if not flat.numel():
                return found
    low, high = torch.aminmax(flat if flat.dtype is not torch.bool else flat.to(torch.uint8))
    # A float64 sum over float32 values: what is lost to rounding lies far below any tolerance.
    mean = flat.sum(dtype=torch.float64) / flat.numel()
    spread = torch.linalg.vector_norm(flat.to(torch.float32) - mean.to(torch.float32), dtype=torch.float64)
    found |= {
        "min": low.item(),
        "max": high.item(),
        "mean": mean.item(),
        "std": spread.item() / math.sqrt(flat.numel()),
    }
    if not found.get("bad"):
        places = torch.linspace(0, flat.numel() - 1, min(SAMPLES, flat.numel()), dtype=torch.float64).long()
        # Nine digits tell every float32 apart.
        found["sample"] = [float(f"{value:.9g}") for value in flat[places].to(torch.float64).tolist()]
    return found


def difference(got: Tensor, expected: Tensor, *, picture: bool) -> dict[str, Any]:
    """How far two tensors of one shape are apart.

    max_abs; max_rel and rms_rel relative to the largest and to the root mean square of `expected`; differing of total
    values; where the largest difference is and the two values there; box, the first and last column and row that
    differ, [x0, y0, x1, y1] inclusive, for tensors with two sides. For a `picture` (values 0..1, channels last or
    none): psnr in dB, and ssim (Wang et al. 2004) of the worst picture of the batch. A value that is not finite in one
    of them only counts as infinitely far.
    """
    a, b = got.detach().cpu().to(torch.float64), expected.detach().cpu().to(torch.float64)
    same = (a == b) | (a.isnan() & b.isnan())
    delta = torch.where(same, 0.0, (a - b).abs())
    delta = torch.where(delta.isnan(), math.inf, delta)
    found: dict[str, Any] = {"total": delta.numel(), "differing": int((~same).sum())}
    if not delta.numel():
        return found
    place = int(delta.argmax())
    worst = [int(index) for index in numpy.unravel_index(place, tuple(delta.shape))]
    scale = b[b.isfinite()].abs()
    largest = float(scale.max()) if scale.numel() else 0.0
    size = float(scale.square().mean().sqrt()) if scale.numel() else 0.0
    mean_square = float(delta.square().mean())
    found |= {
        "max_abs": float(delta.reshape(-1)[place]),
        "max_rel": _ratio(float(delta.reshape(-1)[place]), largest),
        "rms_rel": _ratio(math.sqrt(mean_square), size),
        "worst": worst,
        "got": float(a.reshape(-1)[place]),
        "expected": float(b.reshape(-1)[place]),
    }
    box = _box(delta, picture)
    if box is not None:
        found["box"] = box
    if picture:
        found["psnr"] = math.inf if mean_square == 0 else -10 * math.log10(mean_square)
        ssim = _ssim(a, b)
        if ssim is not None:
            found["ssim"] = ssim
    return found


def _ratio(value: float, size: float) -> float:
    return value / size if size else (math.inf if value else 0.0)


def _box(delta: Tensor, picture: bool) -> list[int] | None:
    """The columns and rows that differ: of [B,H,W,C] or [B,H,W] for pictures, of [...,h,w] for the rest."""
    if delta.ndim < (3 if picture else 4):
        return None
    differs = delta > 0
    if picture and delta.ndim == 4:
        differs = differs.any(dim=-1)
    differs = differs.reshape(-1, *differs.shape[-2:]).any(dim=0)
    rows, columns = differs.any(dim=1).nonzero(), differs.any(dim=0).nonzero()
    if not len(rows):
        return None
    return [int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])]


def _ssim(a: Tensor, b: Tensor) -> float | None:
    """The structural similarity of the picture of the batch where it is lowest; None for pictures too small for it."""
    from skimage.metrics import structural_similarity

    if min(a.shape[1:3]) < SSIM_SIDE or not (a.isfinite().all() and b.isfinite().all()):
        return None
    similarity: Callable[..., float] = structural_similarity
    axis = -1 if a.ndim == 4 else None
    return min(
        float(similarity(x.numpy(), y.numpy(), channel_axis=axis, data_range=1.0)) for x, y in zip(a, b, strict=True)
    )


def near_color(value: Tensor, color: tuple[int, int, int], tolerance: float) -> int:
    """How many pixels of pictures [B,H,W,C] in 0..1 lie within this distance of a colour, both in 0..255."""
    pixels = value[..., :3].to(torch.float64) * 255
    distance = (pixels - torch.tensor(color, dtype=torch.float64)).square().sum(dim=-1).sqrt()
    return int((distance <= tolerance).sum())


def read_picture(path: Path) -> Tensor | None:
    """The frames of a picture file as [F,H,W,C] float32 in 0..1, C 1, 3 or 4.

    None for what is no picture, is damaged or has more pixels than a picture that is loaded may have.
    """
    try:
        with open_image(path) as image:
            values = numpy.stack([_values(frame) for frame in frames(image, path, MAX_PIXELS)])
    except DiffusionError:
        return None
    return torch.from_numpy(values.astype(numpy.float32) / 255.0)


def _values(frame: Any) -> Any:
    """The pixels of a frame: uint8 [H,W,C]."""
    wanted = frame.mode if frame.mode in ("L", "RGB", "RGBA") else "RGBA" if "A" in frame.mode else "RGB"
    values = numpy.asarray(frame if frame.mode == wanted else frame.convert(wanted))
    return values[..., None] if values.ndim == 2 else values


def frame_durations(path: Path) -> list[int]:
    """Milliseconds that each frame of a picture file is shown; of a file that read_picture reads."""
    from PIL import ImageSequence

    with open_image(path) as image:
        durations = []
        for frame in ImageSequence.Iterator(image):
            frame.load()  # a WebP knows a frame's duration only then
            durations.append(int(frame.info.get("duration", 0)))
    return durations


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises ValueError for a file that is none, or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    # The others are for number formats that this torch does not have.
    except (SafetensorError, AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """A safetensors file."""
    from safetensors.torch import save

    return save({name: value.contiguous() for name, value in sorted(tensors.items())})


def environment(device: str, dtype: str) -> dict[str, Any]:
    """What decides the last bits here, for a device and a dtype as settings name them."""
    place = resolve_device(device)
    on_gpu = place.type == "cuda"
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    packages["torch"] = torch.__version__
    return {
        "packages": packages,
        "device": place.type,
        "device_name": torch.cuda.get_device_name(place) if on_gpu else _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "dtype": str(resolve_dtype(dtype, place)).removeprefix("torch."),
    }


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux
    return platform.processor() or platform.machine()


def counter() -> AbstractContextManager[Tally]:
    """Counts evaluations of denoising networks inside the block, in `calls`."""
    return counting()


def png(value: Tensor) -> bytes:
    """Pictures [B,H,W,C], masks [B,H,W] or latents [B,C,h,w] or [B,C,T,h,w] (by shape) as one PNG, side by side.

    A picture of 8 bits a channel comes back exactly. Latents show their first three channels, stretched to the range.
    """
    return _encoded(_drawable(value))


def heat_map(got: Tensor, expected: Tensor) -> bytes:
    """Where two tensors differ, as PNG: black where they are equal, over red and yellow to white for the most."""
    delta = (got.detach().cpu().float() - expected.detach().cpu().float()).abs().nan_to_num(posinf=1.0)
    if _is_latent(delta):
        delta = _as_pictures(delta).amax(dim=1).repeat_interleave(8, 1).repeat_interleave(8, 2)
    elif delta.ndim == 4:
        delta = delta.amax(dim=-1)
    peak = float(delta.max()) if delta.numel() else 0.0
    # The square root lifts faint differences out of the dark.
    level = (delta / peak).sqrt() if peak else delta
    return _encoded(torch.stack([(level * 3 - shift).clamp(0, 1) for shift in (0, 1, 2)], dim=-1))


def _is_latent(value: Tensor) -> bool:
    return value.ndim == 5 or (value.ndim == 4 and value.shape[-1] > 4)


def _as_pictures(latent: Tensor) -> Tensor:
    """[B,C,h,w]: of the latent of a video [B,C,T,h,w] all its frames."""
    return latent.movedim(2, 1).flatten(0, 1) if latent.ndim == 5 else latent


def _drawable(value: Tensor) -> Tensor:
    """[B,H,W,C] in 0..1."""
    value = value.detach().cpu().float().nan_to_num(0.0, 1.0, 0.0)
    if _is_latent(value):
        shown = _as_pictures(value)[:, :3]
        low, high = shown.amin(), shown.amax()
        shown = (shown - low) / (high - low).clamp(min=1e-12)
        value = shown.repeat_interleave(8, 2).repeat_interleave(8, 3).movedim(1, -1)
    return value[..., None] if value.ndim == 3 else value


def _encoded(pictures: Tensor) -> bytes:
    from PIL import Image

    row = torch.cat(list(pictures[:4].clamp(0, 1)), dim=1)
    values = (row * 255.0).round().to(torch.uint8).numpy()
    values = values[..., 0] if values.shape[-1] == 1 else values[..., : 4 if values.shape[-1] >= 4 else 3]
    stream = io.BytesIO()
    Image.fromarray(numpy.ascontiguousarray(values)).save(stream, format="PNG", compress_level=6)
    return stream.getvalue()
