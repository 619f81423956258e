"""Batches put together anew."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.batches import rebatch_images, rebatch_latents
from weft.nodes.diffusion.values.latents import Latent


def pictures(count: int, size: int = 4, start: int = 0) -> torch.Tensor:
    return torch.arange(start, start + count).float()[:, None, None, None].expand(count, size, size, 3)


def latent(count: int, size: int = 4, **more: Any) -> Latent:
    return {"samples": torch.arange(count).float()[:, None, None, None].expand(count, 4, size, size), **more}


@pytest.mark.parametrize(("size", "counts"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_pictures(size: int, counts: list[int]) -> None:
    found = rebatch_images([pictures(2), pictures(3, start=2)], size)
    assert [len(batch) for batch in found] == counts
    assert torch.equal(torch.cat(found), pictures(5))


def test_no_pictures() -> None:
    assert rebatch_images([], 3) == []


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(DiffusionError, match="pictures of 4x4x3, 8x8x3 into one batch"):
        rebatch_images([pictures(1), pictures(1, 8)], 2)
    with pytest.raises(DiffusionError, match="at least 1 item, got 0"):
        rebatch_images([pictures(1)], 0)


def test_latents_take_noise_by_their_place_in_the_whole() -> None:
    found = rebatch_latents([latent(2), latent(3, batch_index=[7, 8, 9])], 2)
    assert [each["batch_index"] for each in found] == [[0, 1], [7, 8], [9]]
    assert torch.equal(
        torch.cat([each["samples"] for each in found]), torch.cat([latent(2)["samples"], latent(3)["samples"]])
    )
    assert not any("noise_mask" in each for each in found)


def test_latents_of_another_size_begin_a_batch() -> None:
    found = rebatch_latents([latent(3), latent(1, 8), latent(1)], 2)
    assert [tuple(each["samples"].shape[::2]) for each in found] == [(2, 4), (1, 4), (1, 8), (1, 4)]
    assert [each["batch_index"] for each in found] == [[0, 1], [2], [3], [4]]


def test_masks_count_where_there_is_one() -> None:
    mask = torch.zeros(1, 32, 32)
    found = rebatch_latents([latent(1), latent(2, noise_mask=mask), latent(2, noise_mask=torch.ones(1, 1, 8, 8))], 2)
    first, second, third = found
    assert first["noise_mask"].shape == (2, 1, 32, 32)
    assert first["noise_mask"].mean(dim=(1, 2, 3)).tolist() == [1.0, 0.0]
    assert second["noise_mask"].mean(dim=(1, 2, 3)).tolist() == [0.0, 1.0]
    assert "noise_mask" not in third
