"""Tiled encoding and decoding: how a node's pixels become a VAE's tiles, and that a run can be followed and ended."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.engine.context import RunContext
from weft.nodes.core.latent import VAEDecodeTiled, VAEEncodeTiled


class Vae:
    """Notes how it was called."""

    downscale = 8
    frames = 0

    def decode_tiled(
        self, latent: Any, tile_x: int, tile_y: int, overlap: int, tile_t: int, overlap_t: int, *, report: Any
    ) -> tuple[int, int]:
        report(1, 2)
        assert (tile_t, overlap_t) == (64, 8)
        assert tile_x == tile_y
        return tile_x, overlap

    encode_tiled = decode_tiled


@pytest.mark.parametrize(
    ("tile_size", "overlap", "expected"),
    [(512, 64, (64, 8)), (64, 32, (8, 2)), (64, 0, (8, 0)), (96, 64, (12, 3)), (64, 4096, (8, 2))],
)
def test_decoding_overlaps_by_a_quarter_at_most(
    tile_size: int, overlap: int, expected: tuple[int, int], make_context: Any
) -> None:
    steps: list[Any] = []
    context: RunContext = make_context(observers=[steps.append])
    sizes = {"tile_size": tile_size, "overlap": overlap, "temporal_size": 64, "temporal_overlap": 8}
    latent: Any = {"samples": torch.zeros(1, 4, 8, 8)}
    assert VAEDecodeTiled(samples=latent, vae=Vae(), context=context, **sizes) == expected
    assert [(step.value, step.total) for step in steps] == [(1, 2)]


def test_encoding_takes_pixels_as_they_are(make_context: Any) -> None:
    sizes = {"tile_size": 128, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}
    result = VAEEncodeTiled(pixels=torch.zeros(1, 8, 8, 3), vae=Vae(), context=make_context(), **sizes)
    assert result == {"samples": (128, 64)}
    with pytest.raises(ValueError, match="holds no VAE"):
        VAEEncodeTiled(pixels=torch.zeros(1, 8, 8, 3), vae=None, context=make_context(), **sizes)
