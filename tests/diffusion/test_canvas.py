"""Images and their canvas: the outpainting mask against its formula, sizes, batches, edges."""

from __future__ import annotations

import itertools

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.canvas import (
    crop_image,
    empty_image,
    images_from_batch,
    join_images,
    pad_for_outpaint,
    scale_to_megapixels,
)


def test_empty_image() -> None:
    image = empty_image(3, 2, 4, 0xFF8000)
    assert image.shape == (4, 2, 3, 3)
    assert image[3, 1, 2].tolist() == pytest.approx([1.0, 128 / 255, 0.0])
    with pytest.raises(DiffusionError, match="cannot make 0 images of 3x2"):
        empty_image(3, 2, 0, 0)
    with pytest.raises(DiffusionError, match="in colour 0x1000000"):
        empty_image(3, 2, 1, 0x1000000)


def test_join_images() -> None:
    a, b = torch.rand(2, 6, 8, 3), torch.rand(1, 12, 4, 3)
    joined = join_images(a, b)
    assert torch.equal(joined[:2], a)
    # Cut to the aspect 8:6 (4x3 of the middle; half a row is rounded to even), then bilinear.
    expected = torch.nn.functional.interpolate(b[:, 4:8].movedim(-1, 1), size=(6, 8), mode="bilinear")
    assert torch.equal(joined[2:], expected.movedim(1, -1))
    with_alpha = join_images(a, torch.rand(1, 6, 8, 4))
    assert with_alpha.shape == (3, 6, 8, 4)
    assert with_alpha[:2, ..., 3].eq(1.0).all()
    assert join_images(torch.rand(1, 6, 8, 4), a)[1:, ..., 3].eq(1.0).all()


@pytest.mark.parametrize(
    ("start", "length", "taken"), [(0, 1, [0]), (1, 2, [1, 2]), (2, 9, [2, 3]), (3, 1, [3]), (9, 2, [3])]
)
def test_images_from_batch(start: int, length: int, taken: list[int]) -> None:
    image = torch.rand(4, 6, 8, 3)
    assert torch.equal(images_from_batch(image, start, length), image[taken])


def test_images_from_batch_refuses_what_makes_no_sense() -> None:
    for start, length in ((-1, 1), (0, 0)):
        with pytest.raises(DiffusionError, match=f"cannot take {length} pictures from index {start}"):
            images_from_batch(torch.rand(2, 6, 8, 3), start, length)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((3, 2, 1, 1), slice(1, 3), slice(1, 4)),
        ((99, 99, 2, 1), slice(1, 6), slice(2, 8)),
        ((4, 4, 99, 99), slice(5, 6), slice(7, 8)),
    ],
)
def test_crop_image(box: tuple[int, int, int, int], rows: slice, columns: slice) -> None:
    image = torch.rand(2, 6, 8, 3)
    assert torch.equal(crop_image(image, *box), image[:, rows, columns])


def test_scale_to_megapixels() -> None:
    assert scale_to_megapixels(torch.rand(1, 64, 96, 3), 0.02, "bilinear").shape == (1, 118, 177, 3)
    assert scale_to_megapixels(torch.rand(1, 64, 96, 3), 0.02, "bilinear", 16).shape == (1, 112, 176, 3)
    image = torch.rand(1, 512, 512, 3)
    assert torch.equal(scale_to_megapixels(image, 0.25, "nearest-exact"), image)
    with pytest.raises(DiffusionError, match="60000x1 pixels cannot become 0.01 megapixels: a side would be 0"):
        scale_to_megapixels(torch.zeros(1, 1, 60000, 3), 0.01, "bilinear")


@pytest.mark.parametrize("sides", [(8, 0, 0, 0), (0, 4, 3, 0), (2, 2, 2, 2), (0, 0, 0, 0)])
@pytest.mark.parametrize("feathering", [0, 1, 5, 6, 40])
def test_pad_for_outpaint(sides: tuple[int, int, int, int], feathering: int) -> None:
    left, top, right, bottom = sides
    image = torch.rand(2, 12, 16, 3)
    canvas, mask = pad_for_outpaint(image, left, top, right, bottom, feathering)
    assert canvas.shape == (2, 12 + top + bottom, 16 + left + right, 3)
    assert torch.equal(canvas[:, top : top + 12, left : left + 16], image)
    assert mask.shape == (1, *canvas.shape[1:3])
    new = torch.ones(mask.shape[1:], dtype=torch.bool)
    new[top : top + 12, left : left + 16] = False
    assert canvas[:, new].eq(0.5).all()
    assert mask[0, new].eq(1.0).all()
    for y, x in itertools.product(range(12), range(16)):
        to_sides = [y] * bool(top) + [12 - y] * bool(bottom) + [x] * bool(left) + [16 - x] * bool(right)
        near = 2 * feathering < 12 and any(distance < feathering for distance in to_sides)
        expected = (1 - min(to_sides) / feathering) ** 2 if near else 0.0
        assert mask[0, top + y, left + x].item() == pytest.approx(expected)


def test_what_does_not_fit() -> None:
    with pytest.raises(DiffusionError, match="feathering -1: negative"):
        pad_for_outpaint(torch.zeros(1, 8, 8, 3), 0, 0, 0, 0, -1)
    with pytest.raises(DiffusionError, match=r"an image is \[8, 8, 3\], expected"):
        join_images(torch.zeros(1, 8, 8, 3), torch.zeros(8, 8, 3))
    with pytest.raises(DiffusionError, match="cannot crop an image to 0x4 pixels"):
        crop_image(torch.zeros(1, 8, 8, 3), 0, 4, 0, 0)
