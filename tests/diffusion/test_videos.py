"""Latents of videos [B,C,T,h,w] pass wherever those of pictures do: each frame comes out as the picture it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import prepare_noise
from weft.nodes.diffusion.sampling.noise_control import ControlledNoise
from weft.nodes.diffusion.testing.measures import heat_map, png
from weft.nodes.diffusion.values import compositing, latents
from weft.nodes.diffusion.values.masks import noise_mask_for
from weft.nodes.diffusion.values.pixels import as_pictures, as_videos, upscale_by, upscale_latent
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights.patched import PatchedNetwork

FRAMES = 3


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


VIDEO, SECOND = noise(2, 4, FRAMES, 12, 10), noise(2, 4, FRAMES, 8, 14, seed=1)
MASK = noise(2, 33, 21, seed=2).sigmoid()

OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "rotate": lambda a, b: latents.rotate(a, "90 degrees"),
    "flip x": lambda a, b: latents.flip(a, "x-axis: vertically"),
    "flip y": lambda a, b: latents.flip(a, "y-axis: horizontally"),
    "crop": lambda a, b: latents.crop(a, 64, 64, 8, 16),
    "fit": lambda a, b: latents.fit(b, a),
    "interpolate": lambda a, b: latents.interpolate(a, latents.fit(b, a), 0.3),
    "upscale": lambda a, b: upscale_latent(a, 160, 0, "bislerp"),
    "upscale by": lambda a, b: upscale_by(a, 1.5, "bicubic"),
    "blend": lambda a, b: compositing.blend_latents(a, b, 0.4),
    "paste": lambda a, b: compositing.paste(a, b, 2, -3),
    "paste through a mask": lambda a, b: compositing.paste(a, b, 1, 2, MASK),
    "paste resized": lambda a, b: compositing.paste(a, b, 0, 0, MASK, True),
    "paste feathered": lambda a, b: compositing.paste_feathered(a, b, 2, 3, 2),
    "join": lambda a, b: latents.join({"samples": a}, {"samples": b})["samples"],
    "from batch": lambda a, b: latents.from_batch({"samples": a}, 1, 1)["samples"],
    "repeat": lambda a, b: latents.repeat({"samples": a}, 3)["samples"],
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_each_frame_is_a_picture(operation: Callable[[Tensor, Tensor], Tensor]) -> None:
    result = operation(VIDEO, SECOND)
    assert result.dim() == 5
    for frame in range(FRAMES):
        assert torch.equal(result[:, :, frame], operation(VIDEO[:, :, frame], SECOND[:, :, frame]))


def test_a_second_video_of_other_frames_is_refused() -> None:
    for other in (SECOND[:, :, :2], SECOND[:, :, 0]):
        with pytest.raises(DiffusionError, match="other frames"):
            latents.fit(other, VIDEO)
        with pytest.raises(DiffusionError, match="cannot combine"):
            compositing.paste(VIDEO, other, 0, 0)
    assert latents.fit(SECOND[:, :, :1], VIDEO).shape == VIDEO.shape
    assert compositing.paste(VIDEO, SECOND[:, :, :1], 0, 0).shape == VIDEO.shape


def test_what_goes_with_a_batch_of_videos() -> None:
    masks = torch.rand(2, 1, FRAMES, 5, 5)
    latent: dict[str, Any] = {"samples": VIDEO, "noise_mask": masks, "batch_index": [3, 7]}
    one = latents.from_batch(latent, 1, 1)
    assert torch.equal(one["noise_mask"], masks[1:]) and one["batch_index"] == [7]
    twice = latents.repeat(latent, 2)
    assert torch.equal(twice["noise_mask"], torch.cat([masks, masks])) and twice["batch_index"] == [3, 7, 8, 12]
    assert latents.seed_behavior(latent, "fixed")["batch_index"] == [3, 3]


def test_a_video_is_its_frames() -> None:
    pictures = as_pictures(VIDEO)
    assert torch.equal(pictures[FRAMES], VIDEO[1, :, 0])
    assert torch.equal(as_videos(pictures, VIDEO), VIDEO)
    assert as_pictures(pictures) is pictures and as_videos(pictures, pictures) is pictures


def test_noise_is_one_draw_for_a_video_and_follows_indices() -> None:
    whole = prepare_noise(VIDEO, 5)
    assert whole.shape == VIDEO.shape
    assert torch.equal(prepare_noise(VIDEO[:1], 5), prepare_noise(VIDEO[:1, :, :1].expand(-1, -1, FRAMES, -1, -1), 5))
    assert torch.equal(prepare_noise(VIDEO, 5, [1, 1])[0], prepare_noise(VIDEO, 5, [0, 1])[1])
    mixed = ControlledNoise(5, "cpu", 9, 0.5).generate_noise({"samples": VIDEO})
    assert mixed.shape == VIDEO.shape
    torch.testing.assert_close(mixed[1], 0.5 * (prepare_noise(VIDEO[:1], 5) + prepare_noise(VIDEO[:1], 9))[0])


@pytest.mark.parametrize("shape", [(24, 20), (2, 24, 20), (1, 1, 24, 20)])
def test_a_mask_counts_for_all_frames(shape: tuple[int, ...]) -> None:
    mask = noise(*shape, seed=3).sigmoid()
    for_video, for_picture = (noise_mask_for(mask, latent) for latent in (VIDEO, VIDEO[:, :, 0]))
    assert for_video.shape == (2, 1, 1, 12, 10)
    assert torch.equal(for_video[:, :, 0], for_picture)


def test_a_mask_of_each_frame() -> None:
    masks = noise(1, 1, FRAMES, 24, 20, seed=4).sigmoid()
    given = noise_mask_for(masks, VIDEO)
    assert given.shape == (2, 1, FRAMES, 12, 10)
    for frame in range(FRAMES):
        assert torch.equal(given[:, :, frame], noise_mask_for(masks[:, :, frame], VIDEO[:, :, frame]))
    for bad in (masks[:, :, :2], masks.expand(1, 2, -1, -1, -1)):
        with pytest.raises(DiffusionError, match="other frames"):
            noise_mask_for(bad, VIDEO)
    with pytest.raises(DiffusionError, match="other frames"):
        noise_mask_for(masks, VIDEO[:, :, 0])


def test_previews_show_frames() -> None:
    assert png(VIDEO[:1]) == png(VIDEO[0].movedim(1, 0))
    other = VIDEO + 0.1 * VIDEO.flip(0)
    assert heat_map(VIDEO[:1], other[:1]) == heat_map(VIDEO[0].movedim(1, 0), other[0].movedim(1, 0))


class VideoVae(Vae):
    """The least VAE of videos: an element is the first pixel of 8x8 in the last of 4 frames, behind the first frame."""

    def __init__(self) -> None:
        super().__init__(PatchedNetwork(nn.Identity()), latent_channels=3, downscale=8, frames=4)

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return lambda videos: videos[:, :, ::4, ::8, ::8] * 2.0 - 1.0

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        def decode(latents: Tensor) -> Tensor:
            wide = latents.repeat_interleave(8, 3).repeat_interleave(8, 4)
            return torch.cat([wide[:, :, :1], wide[:, :, 1:].repeat_interleave(4, 2)], 2)

        return decode


def test_a_vae_of_videos_has_the_same_face() -> None:
    vae, images = VideoVae(), torch.rand(11, 20, 24, 3)
    latent = vae.encode(images)
    assert latent.shape == (1, 3, 3, 2, 3), "the last two frames are no whole element"
    decoded = vae.decode(torch.cat([latent, latent]))
    assert decoded.shape == (2 * 9, 16, 24, 3)
    torch.testing.assert_close(decoded[[0, 4, 8], ::8, ::8], images[[0, 4, 8], 2:18:8, ::8])
    assert torch.equal(decoded[9:], decoded[:9])
    assert vae.decode(latent[:, :, 0]).shape == (1, 16, 24, 3), "a picture is a video of one frame"
    torch.testing.assert_close(vae.decode_tiled(latent, 2, 2, 1, 2, 1), vae.decode(latent))
    torch.testing.assert_close(vae.encode_tiled(images, 16, 16, 8, 5, 1), latent)
