"""Boxes drawn and cut out, pictures cut to a mask, paintings, colours of other pictures: small ones, by definition."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.boxes import Box, crop_to_box, crop_to_mask, draw, read_boxes
from weft.nodes.diffusion.values.colour_transfer import METHODS, transfer
from weft.nodes.diffusion.values.painting import painted

RED = (1.0, 0.0, 0.0)


def box(x: int, y: int, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "width": width, "height": height, **more}


def test_boxes_of_one_picture_and_of_each() -> None:
    one, two = box(1, 2, 3, 4), box(5.4, 6, 7, 8, label="cat", score=0.876)
    assert read_boxes(one) == [[Box(1, 2, 3, 4)]]
    assert read_boxes([one, two]) == [[Box(1, 2, 3, 4), Box(5, 6, 7, 8, label="cat 0.88")]]
    assert read_boxes([[one, two], [], [one]]) == [*read_boxes([one, two]), [], [Box(1, 2, 3, 4)]]
    for wrong in ("box", 5, [{"x": 1}], [box(1, 2, 3, "wide")]):  # type: ignore[arg-type]
        with pytest.raises(DiffusionError, match="expected boxes|a box is"):
            read_boxes(wrong)


def test_a_box_is_cut_out_as_far_as_it_lies_inside() -> None:
    image = torch.rand(2, 8, 10, 3)
    assert torch.equal(crop_to_box(image, box(2, 3, 4, 2)), image[:, 3:5, 2:6])
    assert torch.equal(crop_to_box(image, [box(8, -3, 99, 99), box(0, 0, 1, 1)]), image[:, :, 8:])
    with pytest.raises(DiffusionError, match="no box to cut to"):
        crop_to_box(image, [])


def test_boxes_are_drawn_on_each_picture_or_on_black() -> None:
    image = torch.zeros(2, 64, 64, 3)
    drawn = draw(image, [[Box(8, 8, 16, 16)], []])
    assert drawn[0, 8, 8:24].amax(dim=-1).min() > 0.5
    assert not drawn[0, 9:23, 9:23].any()
    assert not drawn[1].any()
    assert not image.any()
    canvas = draw(None, [[Box(0, 0, 700, 10, label="a")]])
    assert canvas.shape == (1, 640, 700, 3)
    assert canvas.any()
    assert draw(None, []).shape == (1, 640, 640, 3)


def cut(image: torch.Tensor, mask: torch.Tensor, said: list[str] | None = None, **more: Any) -> torch.Tensor:
    options = {"width": 64, "height": 64, "pad": 1.0, "grown": 0, "ground": RED, **more}
    return crop_to_mask(image, mask, warn=(said if said is not None else []).append, **options)


def test_what_a_mask_shows_stands_in_the_middle() -> None:
    image = torch.zeros(1, 96, 96, 3)
    mask = torch.zeros(1, 96, 96)
    mask[:, 10:42, 60:92] = 1.0
    whole = cut(image, mask)
    assert whole.shape == (1, 64, 64, 3)
    assert not whole.any()
    padded = cut(image, mask, pad=2.0)
    assert padded[0, 32, :, 0].round().tolist() == [1.0] * 16 + [0.0] * 32 + [1.0] * 16
    # It reaches beyond the picture at the right and above: there is the colour, too.
    assert padded[0, :4, :, 0].amin() > 0.9
    wide = cut(image, mask, width=128)
    assert wide[0, 32, :, 0].round().tolist() == [1.0] * 32 + [0.0] * 64 + [1.0] * 32
    grown = cut(image, mask, pad=2.0, grown=-8)
    assert grown[0, 32, :, 0].round().sum().item() == 32.0


def test_an_inverted_mask_is_known_by_its_border() -> None:
    image = torch.rand(1, 32, 32, 3)
    mask = torch.zeros(1, 32, 32)
    mask[:, 8:24, 8:24] = 1.0
    assert torch.equal(cut(image, 1.0 - mask), cut(image, mask))


def test_masks_that_show_nothing_or_are_too_many() -> None:
    image = torch.zeros(2, 16, 16, 3)
    said: list[str] = []
    assert not cut(image, torch.ones(1, 8, 8), said).any()
    assert said == []
    assert not cut(image, torch.zeros(2, 8, 8), said).any()
    # Inverted it masks all.
    assert said == []
    with pytest.raises(DiffusionError, match="expected 1 mask or 2, as there are images, got 3"):
        cut(image, torch.zeros(3, 8, 8))


def test_shrunk_to_nothing_the_whole_is_shown_with_a_warning() -> None:
    mask = torch.zeros(1, 16, 16)
    mask[:, 8, 8] = 1.0
    said: list[str] = []
    assert not cut(torch.zeros(1, 16, 16, 3), mask, said, grown=-4).any()
    assert said == ["the mask shows nothing: the whole picture is taken"]


def test_strokes_over_pictures() -> None:
    image = torch.full((2, 4, 4, 3), 0.5)
    colours, transparent = torch.ones(1, 2, 2, 3), torch.tensor([[[0.0, 1.0], [0.5, 1.0]]])
    result, mask = painted(image, (colours, transparent.repeat_interleave(2, 1).repeat_interleave(2, 2)))
    assert result[1, 0].unique().tolist() == [0.5, 1.0]
    assert result[1, 3, 0, 0] == 0.75
    assert (mask.shape, mask[0, 0].tolist(), mask[0, 3, 0].item()) == ((1, 4, 4), [1.0, 1.0, 0.0, 0.0], 0.5)
    alone, nothing = painted(image, None)
    assert torch.equal(alone, image)
    assert not nothing.any()


@pytest.mark.parametrize("method", METHODS)
def test_the_colours_of_another_picture(method: str) -> None:
    """Its mean and spread become the reference's; its own colours leave a picture as it is."""
    generator = torch.Generator().manual_seed(1)
    target = 0.3 + 0.1 * torch.rand(2, 16, 16, 3, generator=generator)
    reference = 0.5 + 0.2 * torch.rand(1, 16, 16, 3, generator=generator)
    result = transfer(target, reference, method, "per_frame", 0, 1.0)
    assert result.shape == target.shape
    for image in result:
        assert torch.allclose(image.mean(dim=(0, 1)), reference[0].mean(dim=(0, 1)), atol=0.02)
        assert torch.allclose(image.std(dim=(0, 1)), reference[0].std(dim=(0, 1)), atol=0.02)
    same = transfer(target[:1], target[:1], method, "per_frame", 0, 1.0)
    assert torch.allclose(same, target[:1], atol=1 / 255)
    assert transfer(target, reference, method, "uniform", 0, 0.0) is target
    half = transfer(target, reference, method, "per_frame", 0, 0.5)
    assert torch.allclose(half, (target + result) / 2, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_what_of_a_batch_is_made_equal(method: str) -> None:
    dark, light = torch.full((1, 8, 8, 3), 0.25), torch.full((1, 8, 8, 4), 0.75)
    dark[:, ::2] += 0.1
    both = torch.cat((dark, light[..., :3]))
    reference = torch.full((1, 8, 8, 3), 0.5)
    reference[:, ::2] += 0.1
    first = transfer(both, reference, method, "target_frame", 0, 1.0)
    assert torch.allclose(first[0].mean(), reference.mean(), atol=0.02)
    assert first[1].mean() > first[0].mean()
    last = transfer(both, reference, method, "target_frame", 99, 1.0)
    assert last[1].std() < 0.2
    together = transfer(both, reference, method, "uniform", 0, 1.0)
    assert torch.allclose(together.mean(), reference.mean(), atol=0.05)
    assert transfer(light, reference, method, "per_frame", 0, 1.0)[..., 3].eq(0.75).all()


def test_histograms_go_picture_by_picture_where_there_are_several() -> None:
    target = torch.rand(3, 8, 8, 3)
    references = torch.stack([torch.full((8, 8, 3), level) for level in (0.2, 0.8)])
    result = transfer(target, references, "histogram", "per_frame", 0, 1.0)
    assert [round(image.mean().item(), 1) for image in result] == [0.2, 0.8, 0.8]


def test_what_is_no_method() -> None:
    image = torch.rand(1, 4, 4, 3)
    with pytest.raises(DiffusionError, match="unknown method 'reinhard'"):
        transfer(image, image, "reinhard", "per_frame", 0, 1.0)
    with pytest.raises(DiffusionError, match="unknown statistics 'each'"):
        transfer(image, image, "histogram", "each", 0, 1.0)
    with pytest.raises(DiffusionError, match="3 or 4 channels"):
        transfer(image[..., :1], image, "histogram", "uniform", 0, 1.0)
