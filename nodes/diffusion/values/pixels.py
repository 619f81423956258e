"""Resizing latents and images.

Numbers as measured on ComfyUI 0.3.64 (parity/facts.md section 10), held by the goldens lat_up*, lat_down* and
img_scale*. Reading and writing image files stands in imagefile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from weft.nodes.diffusion.errors import DiffusionError, nearest

CROPS = ("disabled", "center")
# Pixels of an image along one side of a latent's element, for ComfyUI's nodes that resize and cut latents by pixels:
# they know no model. What has a model at hand asks its latent_format.
LATENT_PIXELS = 8
SMALLEST = 64  # pixels of the smallest side that LatentUpscale makes


def check_images(*images: Tensor) -> None:
    """Raise DiffusionError where one is no image [B,H,W,C] or has no pixel."""
    for image in images:
        if not isinstance(image, Tensor) or image.dim() != 4 or 0 in image.shape:
            got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise DiffusionError(f"an image is {got}, expected [B,H,W,C]")


def as_pictures(samples: Tensor) -> Tensor:
    """The frames of videos [B,C,T,h,w] as a batch of pictures [B*T,C,h,w]; pictures as they are."""
    return samples.movedim(2, 1).flatten(0, 1) if samples.dim() == 5 else samples


def as_videos(pictures: Tensor, like: Tensor) -> Tensor:
    """The inverse of as_pictures, for samples of the batch and the frames of `like`; their sides may be others."""
    return pictures.reshape(-1, like.shape[2], *pictures.shape[1:]).movedim(1, 2) if like.dim() == 5 else pictures


def resize(samples: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Resize [B,C,H,W] to [B,C,height,width], float32 or as given; each frame of [B,C,T,H,W] as a picture.

    Args:
        method: a key of METHODS.
        crop: "center" cuts the longer side to the new aspect first, "disabled" stretches.

    Raises:
        DiffusionError: another method or crop, no 4 or 5 axes, or a side of less than one.
    """
    if method not in METHODS:
        raise DiffusionError(f"unknown resize method {method!r}{nearest(method, METHODS)}: one of {', '.join(METHODS)}")
    if crop not in CROPS:
        raise DiffusionError(f"unknown crop {crop!r}{nearest(crop, CROPS)}: one of {', '.join(CROPS)}")
    if samples.ndim not in (4, 5):
        raise DiffusionError(f"cannot resize the shape {tuple(samples.shape)}, expected [B,C,H,W] or [B,C,T,H,W]")
    if min(width, height, *samples.shape[-2:]) < 1:
        got = f"{samples.shape[-1]}x{samples.shape[-2]} to {width}x{height}"
        raise DiffusionError(f"cannot resize {got} (width x height): every side must be at least 1")
    pictures = as_pictures(center(samples, width, height) if crop == "center" else samples)
    return as_videos(METHODS[method](pictures, width, height), samples)


def upscale_by(samples: Tensor, factor: float, method: str) -> Tensor:
    """Resize [B,C,H,W] or [B,C,T,H,W] by a factor, sides rounded to the nearest (halves to even)."""
    return resize(samples, round(samples.shape[-1] * factor), round(samples.shape[-2] * factor), method)


def upscale_latent(samples: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Resize a latent [B,C,h,w] or [B,C,T,h,w] to a size in pixels, as LatentUpscale.

    A side of 0 follows from the other by aspect, both 0 return `samples`; no side becomes less than 64 pixels, and
    fractions of 8 pixels are cut.
    """
    if width == 0 and height == 0:
        return samples
    rows, columns = samples.shape[-2:]
    # A given side is raised to the smallest before the other one follows it.
    width, height = (side and max(SMALLEST, side) for side in (width, height))
    width = width or max(SMALLEST, round(columns * height / rows))
    height = height or max(SMALLEST, round(rows * width / columns))
    return resize(samples, width // LATENT_PIXELS, height // LATENT_PIXELS, method, crop)


def scale_image(image: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Resize an image [B,H,W,C] to [B,height,width,C], as ImageScale: a side of 0 follows, both 0 return `image`."""
    check_images(image)
    if width == 0 and height == 0:
        return image
    rows, columns = image.shape[1:3]
    width, height = width or max(1, round(columns * height / rows)), height or max(1, round(rows * width / columns))
    return resize(image.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def scale_image_by(image: Tensor, factor: float, method: str) -> Tensor:
    """Resize an image [B,H,W,C] by a factor, as ImageScaleBy."""
    check_images(image)
    return upscale_by(image.movedim(-1, 1), factor, method).movedim(1, -1)


def to_uint8(image: Tensor) -> Tensor:
    """An image of 0..1 as bytes on the CPU, any shape: clipped, and fractions cut, never rounded.

    Raises:
        DiffusionError: NaN, which is no colour.
    """
    values = image.detach().float().cpu() * 255.0
    if values.isnan().any():
        raise DiffusionError(f"the image {list(image.shape)} has NaN in it, which is no colour")
    return values.clamp(0, 255).to(torch.uint8)


def over_white(image: Tensor) -> Tensor:
    """An image [B,H,W,C] on white, where it has an alpha channel: [B,H,W,3]."""
    if image.shape[-1] < 4:
        return image
    alpha = image[..., 3:4]
    return image[..., :3] * alpha + (1.0 - alpha)


def center(samples: Tensor, width: int, height: int) -> Tensor:
    """The middle of [B,C,H,W] that has the aspect width/height; as much is cut on both sides."""
    rows, columns = samples.shape[-2:]
    aspect, wanted = columns / rows, width / height
    x = round((columns - columns * (wanted / aspect)) / 2) if aspect > wanted else 0
    y = round((rows - rows * (aspect / wanted)) / 2) if aspect < wanted else 0
    x, y = min(x, (columns - 1) // 2), min(y, (rows - 1) // 2)  # of an extreme aspect something must remain
    return samples[..., y : rows - y, x : columns - x]


def _torch(mode: str) -> Callable[[Tensor, int, int], Tensor]:
    return lambda samples, width, height: interpolate(samples, size=(height, width), mode=mode)


def _lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    """Pillow's, on 8 bits a channel: what lies outside 0..1 is lost, 1, 3 or 4 channels."""
    import numpy
    from PIL import Image

    if samples.shape[1] not in (1, 3, 4):
        raise DiffusionError(f"lanczos resizes images of 1, 3 or 4 channels, got {samples.shape[1]}")
    resized = []
    for item in to_uint8(samples).movedim(1, -1).numpy():
        picture = Image.fromarray(item[..., 0] if item.shape[-1] == 1 else item)
        array = numpy.asarray(picture.resize((width, height), Image.Resampling.LANCZOS), dtype=numpy.float32)
        resized.append(torch.from_numpy(array.reshape(height, width, -1) / 255.0).movedim(-1, 0))
    return torch.stack(resized).to(samples)


def _bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Spherical interpolation of the channel vectors, along the width and then along the height."""
    result = _slerp_last_axis(samples.float(), width)
    return _slerp_last_axis(result.mT, height).mT.to(samples.dtype).contiguous()


def _slerp_last_axis(samples: Tensor, length: int) -> Tensor:
    """Resize the last axis of [B,C,H,W]: direction and length of the vectors along C are interpolated apart.

    Positions are those of bilinear interpolation with half-pixel centres (Shoemake 1985 for the slerp).
    """
    old = samples.shape[-1]
    centres = (torch.arange(length, device=samples.device, dtype=torch.float32) + 0.5) * (old / length) - 0.5
    centres = centres.clamp(min=0.0)
    left = centres.floor().long().clamp(max=old - 1)
    right = (left + 1).clamp(max=old - 1)
    ratio = centres - left

    a, b = samples[..., left], samples[..., right]
    a_length, b_length = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    a_way = torch.where(a_length > 0, a / a_length, 0.0)
    b_way = torch.where(b_length > 0, b / b_length, 0.0)
    cosine = (a_way * b_way).sum(dim=1, keepdim=True)
    angle = cosine.acos()
    way = (((1.0 - ratio) * angle).sin() * a_way + (ratio * angle).sin() * b_way) / angle.sin()
    result = way * (a_length * (1.0 - ratio) + b_length * ratio)
    # Parallel vectors have no plane to turn in, opposite ones no single one.
    result = torch.where(cosine > 1.0 - 1e-5, a, result)
    return torch.where(cosine < 1e-5 - 1.0, a * (1.0 - ratio) + b * ratio, result)


METHODS: Mapping[str, Callable[[Tensor, int, int], Tensor]] = {
    "nearest-exact": _torch("nearest-exact"),
    "bilinear": _torch("bilinear"),
    "area": _torch("area"),
    "bicubic": _torch("bicubic"),
    "lanczos": _lanczos,
    "bislerp": _bislerp,
}


def to_batch(tensor: Tensor, batch: int) -> Tensor:
    """The tensor repeated, or cut, to `batch` items."""
    if tensor.shape[0] == 1:
        return tensor.expand(batch, *tensor.shape[1:])
    repeats = -(-batch // tensor.shape[0])
    return tensor.repeat(repeats, *[1] * (tensor.dim() - 1))[:batch]
