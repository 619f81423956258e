"""The VAE socket: ComfyUI's numbers, cropping, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_vae

from ..reference.store import goldens
from ..reference.store import units as reference_units


@pytest.fixture(scope="module")
def vae(parity):
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32).vae


@pytest.fixture(scope="module")
def units():
    return reference_units("vae")


def relative(got, expected):
    return float((got - expected).abs().max() / expected.abs().max())


def test_encoding_gives_the_numbers_of_comfyui(vae, units):
    pixels = (units["enc/x_minus1_1"].movedim(1, -1) + 1.0) / 2.0
    latent = vae.encode(pixels)
    assert latent.shape == (1, 4, 8, 6)
    assert relative(latent, units["enc/latent"]) < 5e-6
    with torch.inference_mode():
        moments = vae.network.module().encode(units["enc/x_minus1_1"]).latent_dist.parameters
    assert relative(moments, units["enc/moments"]) < 5e-6


def test_decoding_gives_the_numbers_of_comfyui(vae, units):
    with torch.inference_mode():
        raw = vae.network.module().decode(units["dec/z"]).sample
    assert relative(raw, units["dec/raw"]) < 5e-6
    image = vae.decode(units["dec/z"])
    assert image.shape == (1, 64, 48, 3)
    expected = ((units["dec/raw"] + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)
    torch.testing.assert_close(image, expected, rtol=0, atol=5e-6)


def test_a_vae_file_gives_the_numbers_of_comfyui(parity):
    """Golden vae_loader_decode."""
    path = parity / "models" / "vae" / "tiny_vae.safetensors"
    loaded = load_vae(path, device=torch.device("cpu"), dtype=torch.float32)
    latent = load_file(parity / "input" / "lat_a.latent")["latent_tensor"]
    expected = goldens("comfyui")["vae_loader_decode"].tensors["4.0"]
    assert expected.difference(loaded.decode(latent)) < 3e-5


def test_an_image_of_odd_size_gives_the_numbers_of_comfyui(vae, parity):
    """Golden vae_roundtrip_img_odd: 83x70 pixels."""
    with Image.open(parity / "input" / "img_odd.png") as opened:
        pixels = torch.from_numpy(np.array(opened.convert("RGB"), dtype=np.float32) / 255.0)[None]
    expected = goldens("comfyui")["vae_roundtrip_img_odd"].tensors["4.0"]
    assert expected.difference(vae.decode(vae.encode(pixels))) < 3e-5


@pytest.mark.parametrize(("height", "width", "top", "left"), [(64, 64, 0, 0), (71, 66, 3, 1), (65, 79, 0, 7 // 2)])
def test_images_are_cropped_in_the_middle_to_whole_cells(vae, height, width, top, left):
    image = torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(0))
    crop = image[:, top : top + 64, left : left + width // 8 * 8]
    latent = vae.encode(image)
    assert latent.shape == (1, 4, 8, width // 8)
    assert torch.equal(latent, vae.encode(crop))


def test_a_batch_equals_its_images_and_alpha_is_left_out(vae):
    images = torch.rand(3, 16, 24, 4, generator=torch.Generator().manual_seed(0))
    latents = vae.encode(images)
    assert torch.equal(latents, torch.cat([vae.encode(image[None, ..., :3]) for image in images]))
    decoded = vae.decode(latents)
    assert torch.equal(decoded, torch.cat([vae.decode(latent[None]) for latent in latents]))


def test_results_are_plain_tensors_that_nodes_may_write_into(vae):
    image = vae.decode(torch.full((1, 4, 2, 2), 50.0))
    assert image.dtype == torch.float32
    assert 0.0 <= image.min() <= image.max() <= 1.0
    latent = vae.encode(image)
    for tensor in (image, latent):
        assert not tensor.is_inference()
        assert not tensor.requires_grad
        tensor += 1.0


def test_half_precision_weights_give_float32_results(parity, units):
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    half = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.bfloat16).vae
    image = half.decode(units["dec/z"])
    assert image.dtype == torch.float32
    expected = ((units["dec/raw"] + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)
    assert (image - expected).abs().mean() < 0.05
    assert half.encode(image).dtype == torch.float32


def test_one_tile_is_the_whole(vae):
    latent = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    image = vae.decode(latent)
    torch.testing.assert_close(vae.decode_tiled(latent, 10, 10, 2), image, rtol=0, atol=1e-5)
    torch.testing.assert_close(vae.encode_tiled(image, 80, 80, 16), vae.encode(image), rtol=0, atol=1e-4)


def test_tiles(vae):
    """The numbers are held by the goldens vae_decode_tiled and vae_encode_tiled; here sizes, range and batch."""
    images = torch.rand(2, 50, 67, 3, generator=torch.Generator().manual_seed(0))
    latents = vae.encode_tiled(images, 32, 32, 8)
    assert latents.shape == (2, 4, 6, 8)
    assert torch.equal(latents[1:], vae.encode_tiled(images[1:], 32, 32, 8))
    decoded = vae.decode_tiled(latents * 20.0, 4, 4, 1)
    assert decoded.shape == (2, 48, 64, 3)
    assert 0.0 <= decoded.min() <= decoded.max() <= 1.0
    for tensor in (latents, decoded):
        assert not tensor.is_inference()
        assert not tensor.requires_grad
        tensor += 1.0


@pytest.mark.parametrize(
    ("tile", "overlap", "words"),
    [
        (72, 8, "a tile of 72x72 pixels, overlap 8: expected multiples of 16 and 8"),
        (64, 12, "overlap 12"),
        (64, 32, "tiles of 32x128 cannot overlap by 32: make them larger"),
    ],
)
def test_tiles_that_cannot_be(vae, tile, overlap, words):
    with pytest.raises(DiffusionError, match=words):
        vae.encode_tiled(torch.zeros(1, 136, 136, 3), tile, tile, overlap)
    with pytest.raises(DiffusionError, match=r"expected \[B,4,h,w\] float"):
        vae.decode_tiled(torch.zeros(4, 8, 8), 8, 8, 2)


def test_its_sizes(vae):
    assert (vae.downscale, vae.latent_channels) == (8, 4)
    held = dict(vae.memory_parts)
    assert sum(held.values()) == sum(parameter.nbytes for parameter in vae.network.base.parameters())


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.rand(64, 64, 3), r"\[64, 64, 3\]"),
        (torch.rand(1, 64, 64, 1), r"\[1, 64, 64, 1\]"),
        (torch.zeros(1, 64, 64, 3, dtype=torch.uint8), "uint8"),
        (torch.rand(1, 7, 64, 3), "at least one of 8x8 pixels"),
        (torch.rand(0, 64, 64, 3), "at least one"),
    ],
)
def test_what_is_no_image_is_refused(vae, image, words):
    with pytest.raises(DiffusionError, match=words):
        vae.encode(image)


@pytest.mark.parametrize(
    "latent", [torch.rand(4, 8, 8), torch.rand(1, 16, 8, 8), torch.ones(1, 4, 8, 8).long(), torch.rand(1, 4, 0, 8)]
)
def test_what_is_no_latent_is_refused(vae, latent):
    with pytest.raises(DiffusionError, match=r"expected \[B,4,h,w\] float"):
        vae.decode(latent)
