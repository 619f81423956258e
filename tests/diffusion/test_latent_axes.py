"""Latents cut and joined along an axis, told by where each element comes from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.latent_axes import concatenate, cut, cut_to_batch, trim


def video(batch: int = 1) -> Tensor:
    """[batch,2,4,3,5], every element a number of its own."""
    return torch.arange(batch * 120).float().reshape(batch, 2, 4, 3, 5)


@pytest.mark.parametrize(
    ("dim", "index", "amount", "kept"),
    [("x", 1, 2, [1, 2]), ("x", 9, 2, [4]), ("x", -2, 9, [3, 4]), ("x", -9, 1, [0]), ("y", 0, 2, [0, 1])],
)
def test_cut(dim: str, index: int, amount: int, kept: list[int]) -> None:
    axis = {"x": -1, "y": -2}[dim]
    assert torch.equal(cut(video(), dim, index, amount), video().index_select(axis, torch.tensor(kept)))
    assert torch.equal(cut(video(), "t", -1, 1), video()[:, :, 3:])


def test_slices_become_a_batch() -> None:
    frames = cut_to_batch(video(2), "t", 1)
    assert torch.equal(
        frames, torch.cat([video(2)[item : item + 1, :, t : t + 1] for item in (0, 1) for t in range(4)])
    )
    assert torch.equal(cut_to_batch(video(), "t", 3), video()[:, :, :3])
    assert torch.equal(cut_to_batch(video(), "x", 2), torch.cat([video()[..., :2], video()[..., 2:4]]))
    assert torch.equal(cut_to_batch(video(), "t", 9), video())


def test_joining() -> None:
    a, b = video(2), video() + 1000
    assert torch.equal(concatenate(a, b, "x"), torch.cat([a, b.expand(2, -1, -1, -1, -1)], dim=-1))
    assert torch.equal(concatenate(a, b[:, :, :1], "-t")[:, :, 1:], a)
    with pytest.raises(DiffusionError, match="cannot join latents"):
        concatenate(a, b[..., :2], "y")


def test_trimming_a_video() -> None:
    assert torch.equal(trim(video(), 3), video()[:, :, 3:])
    with pytest.raises(DiffusionError, match="cannot trim 4 elements"):
        trim(video(), 4)
    with pytest.raises(DiffusionError, match="only a video"):
        trim(video()[:, :, 0], 1)
