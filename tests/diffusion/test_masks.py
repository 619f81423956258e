"""Masks: growing against scipy, every operation, offsets and feathers beyond the sides, forms that are refused."""

from __future__ import annotations

import pytest
import scipy.ndimage
import torch

from weft.nodes.diffusion.eras import numbers_of
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values import masks


@pytest.mark.parametrize("tapered", [True, False])
@pytest.mark.parametrize("pixels", [-3, -1, 0, 1, 2, 7, 50, -50, 16384])
def test_grow_as_grey_morphology(pixels: int, tapered: bool) -> None:
    mask = torch.rand(2, 9, 13)
    mask[1] = (mask[1] > 0.95).float()
    corner = 0 if tapered else 1
    footprint = [[corner, 1, corner], [1, 1, 1], [corner, 1, corner]]
    step = scipy.ndimage.grey_erosion if pixels < 0 else scipy.ndimage.grey_dilation
    expected = mask.numpy()
    for _ in range(min(60, abs(pixels))):
        expected = [step(item, footprint=footprint) for item in expected]
    before = mask.clone()
    assert torch.equal(masks.grow(mask, pixels, tapered), torch.stack([torch.as_tensor(item) for item in expected]))
    assert torch.equal(mask, before)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0.0, 0.35, 0.7]),
        ("add", [0.7, 1.0, 1.0]),
        ("subtract", [0.0, 0.0, 0.3]),
        ("and", [0.0, 0.0, 1.0]),
        ("or", [1.0, 1.0, 1.0]),
        ("xor", [1.0, 1.0, 0.0]),
    ],
)
def test_operations(operation: str, expected: list[float]) -> None:
    destination = torch.tensor([[[0.0, 0.5, 1.0]]])  # 0.5 is rounded to even: to 0
    combined = masks.composite(destination, torch.full((1, 1, 3), 0.7), 0, 0, operation)
    assert combined[0, 0].tolist() == pytest.approx(expected)
    assert destination[0, 0].tolist() == [0.0, 0.5, 1.0]


def test_composite_positions_and_batches() -> None:
    destination, source = torch.zeros(2, 4, 5), torch.ones(3, 3)
    placed = masks.composite(destination, source, 3, 2, "add")
    assert torch.equal(placed[1], torch.nn.functional.pad(torch.ones(2, 2), (3, 0, 2, 0)))
    assert torch.equal(masks.composite(destination, source, 5, 99, "or"), destination)
    assert torch.equal(masks.composite(destination, source, 99, 0, "or"), destination)
    by_item = masks.composite(destination, torch.stack((torch.ones(4, 5), torch.zeros(4, 5))), 0, 0, "add")
    assert by_item[:, 0, 0].tolist() == [1.0, 0.0]
    # What lies outside of the source is clamped too.
    assert masks.composite(torch.full((1, 1, 2), 3.0), torch.ones(1, 1), 0, 0, "multiply").eq(1.0).all()


def test_feather_of_0_3_64() -> None:
    """The far ends one pixel out, and the last value at the other side."""
    mask = torch.ones(1, 3, 6)
    with numbers_of("0.3.64"):
        assert masks.feather(mask, 0, 0, 4, 0)[0, 0].tolist() == [0.25, 1.0, 1.0, 1.0, 0.75, 0.5]
        ramp = pytest.approx([1 / 6, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6])
        assert masks.feather(mask, 0, 0, 99, 0)[0, 0].tolist() == ramp


def test_feather() -> None:
    mask = torch.ones(1, 1, 6)
    assert masks.feather(mask, 4, 0, 0, 0)[0, 0].tolist() == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert masks.feather(mask, 0, 0, 4, 0)[0, 0].tolist() == [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    assert masks.feather(mask, 99, 0, 0, 0)[0, 0].tolist() == pytest.approx([(t + 1) / 6 for t in range(6)])
    assert torch.equal(masks.feather(mask, 0, 0, 99, 0), masks.feather(mask, 99, 0, 0, 0).flip(-1))
    assert torch.equal(masks.feather(mask, 0, 0, 0, 0), mask)
    tall = masks.feather(torch.ones(2, 6, 3), 0, 4, 0, 0)
    assert tall[1, :, 1].tolist() == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert mask.eq(1.0).all()


def test_crop() -> None:
    mask = torch.rand(2, 6, 8)
    assert torch.equal(masks.crop(mask, 2, 1, 3, 2), mask[:, 1:3, 2:5])
    assert torch.equal(masks.crop(mask[0], 7, 5, 99, 99), mask[:1, 5:, 7:])
    with pytest.raises(DiffusionError, match="a box of 2x2 at x=8, y=0 holds nothing of a mask of 8x6 pixels"):
        masks.crop(mask, 8, 0, 2, 2)


def test_channels() -> None:
    image = torch.rand(2, 3, 4, 4)
    for index, channel in enumerate(masks.CHANNELS):
        assert torch.equal(masks.from_image(image, channel), image[..., index])
    with pytest.raises(DiffusionError, match="has no channel alpha"):
        masks.from_image(image[..., :3], "alpha")
    with pytest.raises(DiffusionError, match="unknown channel 'grean'; did you mean 'green'"):
        masks.from_image(image, "grean")
    grey = masks.to_image(image[..., 0])
    assert torch.equal(grey, image[..., :1].expand(2, 3, 4, 3))
    assert masks.to_image(image[0, ..., 0]).shape == (1, 3, 4, 3)


def test_solid() -> None:
    assert torch.equal(masks.solid(0.25, 3, 2), torch.full((1, 2, 3), 0.25))
    with pytest.raises(DiffusionError, match="cannot make a mask of 3x0 pixels"):
        masks.solid(1.0, 3, 0)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (1, 1, 1, 4, 5), (0, 4, 5), (1, 0, 5)])
def test_no_mask(shape: tuple[int, ...]) -> None:
    mask = torch.zeros(shape)
    for use in (
        lambda: masks.grow(mask, 1, True),
        lambda: masks.feather(mask, 1, 1, 1, 1),
        lambda: masks.composite(torch.zeros(1, 4, 5), mask, 0, 0, "add"),
        lambda: masks.to_image(mask),
        lambda: masks.crop(mask, 0, 0, 1, 1),
    ):
        with pytest.raises(DiffusionError, match=r"a mask must be \[height, width\] or"):
            use()


def test_layouts() -> None:
    mask = torch.rand(2, 4, 5)
    assert torch.equal(masks.as_masks(mask[0]), mask[:1])
    assert torch.equal(masks.as_masks(mask[:, None]), mask)


def test_requests_that_make_no_sense() -> None:
    mask = torch.zeros(3, 4, 5)
    with pytest.raises(DiffusionError, match="unknown mask operation 'ad'; did you mean '"):
        masks.composite(mask, mask, 0, 0, "ad")
    with pytest.raises(DiffusionError, match="must not be negative, got -1 and 0"):
        masks.composite(mask, mask, -1, 0, "add")
    with pytest.raises(DiffusionError, match="cannot put 2 masks onto 3: expected 1 or 3"):
        masks.composite(mask, mask[:2], 0, 0, "add")
    with pytest.raises(DiffusionError, match="none may be negative"):
        masks.feather(mask, 0, -1, 0, 0)


def test_invert_keeps_the_shape() -> None:
    for shape in ((3, 4), (2, 3, 4), (2, 1, 3, 4)):
        mask = torch.rand(shape)
        assert torch.equal(masks.invert(mask), 1.0 - mask)
    assert masks.invert(torch.tensor([[True, False]])).tolist() == [[0.0, 1.0]]
    with pytest.raises(DiffusionError, match=r"a mask must be .*, got \[3\]"):
        masks.invert(torch.rand(3))
