"""Latents batched, turned, cut and calculated with: sizes, noise masks, indices, and that nothing given changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import prepare_noise
from weft.nodes.diffusion.values import latents


def latent(batch: int = 3, height: int = 8, width: int = 8, **more: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(batch * height * width)
    return {"samples": torch.randn(batch, 4, height, width, generator=generator), **more}


def numbered(count: int) -> Tensor:
    return torch.arange(float(count)).reshape(count, 1, 1, 1).expand(count, 1, 16, 16)


def test_join_counts_each_batch_for_itself() -> None:
    joined = latents.join(latent(2, note="kept"), latent(3, batch_index=[7, 7, 9]))
    assert joined["samples"].shape == (5, 4, 8, 8)
    assert joined["batch_index"] == [0, 1, 7, 7, 9]
    assert joined["note"] == "kept"


def test_join_resizes_the_second() -> None:
    a, b = latent(1, 8, 12), latent(2, 10, 6)
    joined = latents.join(a, b)["samples"]
    assert torch.equal(joined[:1], a["samples"])
    # Cut to the aspect 12:8 (6x4 of the middle), then bilinear.
    middle = b["samples"][:, :, 3:7]
    expected = torch.nn.functional.interpolate(middle, size=(8, 12), mode="bilinear")
    assert torch.equal(joined[1:], expected)


@pytest.mark.parametrize(
    ("start", "length", "expected"), [(0, 1, [0]), (1, 2, [1, 2]), (2, 9, [2]), (9, 9, [2]), (0, 64, [0, 1, 2])]
)
def test_from_batch_stays_within_the_batch(start: int, length: int, expected: list[int]) -> None:
    given = latent(3)
    taken = latents.from_batch(given, start, length)
    assert torch.equal(taken["samples"], given["samples"][expected])
    assert taken["batch_index"] == expected


def test_from_batch_takes_masks_and_indices_along() -> None:
    taken = latents.from_batch(latent(3, batch_index=[4, 5, 6], noise_mask=numbered(2)), 1, 2)
    assert taken["batch_index"] == [5, 6]
    # Two masks for three items: the third has the first mask.
    assert taken["noise_mask"][:, 0, 0, 0].tolist() == [1.0, 0.0]
    one_for_all = latents.from_batch(latent(3, noise_mask=numbered(1)), 1, 2)
    assert one_for_all["noise_mask"].shape[0] == 1


def test_what_was_taken_from_a_batch_gets_its_noise() -> None:
    whole = latent(4)
    noise = prepare_noise(whole["samples"], 7, list(range(4)))
    part = latents.from_batch(whole, 2, 2)
    assert torch.equal(prepare_noise(part["samples"], 7, part["batch_index"]), noise[2:])


def test_repeat() -> None:
    given = latent(2, noise_mask=numbered(2), batch_index=[3, 5])
    repeated = latents.repeat(given, 3)
    assert torch.equal(repeated["samples"], torch.cat([given["samples"]] * 3))
    assert repeated["noise_mask"][:, 0, 0, 0].tolist() == [0.0, 1.0] * 3
    # The span of the indices is 5 - 3 + 1.
    assert repeated["batch_index"] == [3, 5, 6, 8, 9, 11]
    plain = latents.repeat(latent(2, noise_mask=numbered(1)), 3)
    assert "batch_index" not in plain
    assert plain["noise_mask"].shape[0] == 1
    three = latents.repeat(latent(3, noise_mask=numbered(2)), 2)
    assert three["noise_mask"][:, 0, 0, 0].tolist() == [0.0, 1.0, 0.0] * 2


def test_seed_behavior() -> None:
    given = latent(3, batch_index=[4, 5, 6])
    assert "batch_index" not in latents.seed_behavior(given, "random")
    assert latents.seed_behavior(given, "fixed")["batch_index"] == [4, 4, 4]
    assert latents.seed_behavior(latent(2), "fixed")["batch_index"] == [0, 0]
    assert given["batch_index"] == [4, 5, 6]
    with pytest.raises(DiffusionError, match="unknown seed behavior 'fixd'; did you mean 'fixed'"):
        latents.seed_behavior(given, "fixd")


def test_rotate_is_clockwise() -> None:
    square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert latents.rotate(square, "90 degrees")[0, 0].tolist() == [[3.0, 1.0], [4.0, 2.0]]
    assert torch.equal(latents.rotate(latents.rotate(square, "90 degrees"), "270 degrees"), square)
    assert torch.equal(latents.rotate(square, "180 degrees"), square.flip((2, 3)))
    assert latents.rotate(torch.zeros(1, 4, 8, 12), "270 degrees").shape == (1, 4, 12, 8)
    with pytest.raises(DiffusionError, match="unknown rotation '45 degrees'"):
        latents.rotate(square, "45 degrees")


def test_flip() -> None:
    square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert latents.flip(square, "x-axis: vertically")[0, 0].tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert latents.flip(square, "y-axis: horizontally")[0, 0].tolist() == [[2.0, 1.0], [4.0, 3.0]]
    with pytest.raises(DiffusionError, match="unknown flip method"):
        latents.flip(square, "z")


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((64, 64, 0, 0), slice(0, 8), slice(0, 8)),
        ((79, 71, 17, 31), slice(3, 11), slice(2, 11)),
        ((64, 64, 16384, 16384), slice(8, 16), slice(12, 20)),
        ((4096, 4096, 8, 16), slice(2, 16), slice(1, 20)),
    ],
)
def test_crop(box: tuple[int, int, int, int], rows: slice, columns: slice) -> None:
    samples = latent(2, 16, 20)["samples"]
    assert torch.equal(latents.crop(samples, *box), samples[:, :, rows, columns])


def test_crop_of_less_than_the_smallest() -> None:
    samples = latent(1, 4, 6)["samples"]
    assert torch.equal(latents.crop(samples, 64, 64, 8, 8), samples)
    with pytest.raises(DiffusionError, match="cannot crop a latent to 4x64 pixels"):
        latents.crop(samples, 4, 64, 0, 0)


def test_fit_repeats_and_cuts_the_batch() -> None:
    a, b = latent(5)["samples"], latent(2)["samples"]
    assert torch.equal(latents.fit(b, a), b[[0, 1, 0, 1, 0]])
    assert torch.equal(latents.fit(a, b), a[:2])
    with pytest.raises(DiffusionError, match="latents of 4 and 16 channels"):
        latents.fit(torch.zeros(1, 16, 8, 8), a)


def test_interpolate() -> None:
    a, b = latent(1)["samples"], latent(1, 8, 9)["samples"][..., :8]
    assert torch.allclose(latents.interpolate(a, b, 1.0), a, atol=1e-6)
    assert torch.allclose(latents.interpolate(a, b, 0.0), b, atol=1e-6)
    mixed = latents.interpolate(a, b, 0.3)
    # The length is mixed by itself, so that it does not shrink where the directions differ.
    assert torch.allclose(mixed.norm(dim=1), a.norm(dim=1) * 0.3 + b.norm(dim=1) * 0.7, atol=1e-5)
    zeros = torch.zeros_like(a)
    assert not latents.interpolate(zeros, zeros, 0.5).any()
    assert latents.interpolate(a, zeros, 0.5).isfinite().all()


@pytest.mark.parametrize("samples", [None, "x", torch.zeros(4, 8, 8), torch.zeros(0, 4, 8, 8), torch.zeros(1, 4, 0, 8)])
def test_no_latent(samples: Any) -> None:
    with pytest.raises(DiffusionError, match=r"a latent needs .* \[batch, channels, height, width\], got "):
        latents.samples_of({"samples": samples})


def test_an_index_that_does_not_fit() -> None:
    with pytest.raises(DiffusionError, match="batch_index of 2 for 3 samples"):
        latents.repeat(latent(3, batch_index=[0, 1]), 2)
    with pytest.raises(DiffusionError, match="cannot repeat a batch 0 times"):
        latents.repeat(latent(3), 0)
    with pytest.raises(DiffusionError, match="cannot take 0 items from index 0"):
        latents.from_batch(latent(3), 0, 0)
