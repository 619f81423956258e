"""What a tile is told of a conditioning: the part that lies in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from weft.nodes.diffusion.sampling.control import Control, ControlNet, load_controlnet, with_control
from weft.nodes.diffusion.sampling.tile_conditions import TiledConditionings
from weft.nodes.diffusion.sampling.tiles import Span, Tile

HEIGHT, WIDTH = 24, 40
CONTEXT = torch.zeros(1, 77, 8)


def tile(top: int, bottom: int, left: int, right: int) -> Tile:
    return Tile(Span(top, bottom, top, bottom), Span(left, right, left, right))


UPPER_LEFT, RIGHT = tile(0, 16, 0, 16), tile(0, 24, 24, 40)


def part(options: dict[str, Any], where: Tile) -> list[Any]:
    (side,) = TiledConditionings([[[CONTEXT, options]]], HEIGHT, WIDTH, 8).parts(where)
    return side


@pytest.fixture(scope="module")
def net(parity: Path) -> ControlNet:
    file = parity / "models" / "controlnet" / "tiny_controlnet.safetensors"
    return load_controlnet(file, device=torch.device("cpu"), dtype=torch.float32)


def test_what_belongs_to_no_place_stays() -> None:
    options = {"strength": 0.5, "start_percent": 0.2, "pooled_output": CONTEXT}
    ((context, found),) = part(options, RIGHT)
    assert context is CONTEXT
    assert found == options


@pytest.mark.parametrize(
    ("area", "where", "expected"),
    [
        ((8, 8, 4, 4), UPPER_LEFT, (8, 8, 4, 4)),
        ((8, 20, 4, 10), UPPER_LEFT, (8, 6, 4, 10)),
        ((8, 20, 4, 10), RIGHT, (8, 6, 4, 0)),
        (("percentage", 1.0, 1.0, 0.0, 0.0), RIGHT, (24, 16, 0, 0)),
        ((99, 99, 12, 30), RIGHT, (12, 10, 12, 6)),
    ],
)
def test_areas(area: Any, where: Tile, expected: tuple[int, ...]) -> None:
    ((_, found),) = part({"area": area}, where)
    assert found["area"] == expected


@pytest.mark.parametrize("area", [(8, 8, 4, 16), (8, 8, 16, 0), ("percentage", 0.2, 0.2, 0.8, 0.8)])
def test_an_area_elsewhere_leaves_the_entry_out(area: Any) -> None:
    assert part({"area": area}, UPPER_LEFT) == []


def test_masks_are_brought_to_the_latent_and_cut() -> None:
    mask = torch.rand(2, HEIGHT, WIDTH)
    ((_, found),) = part({"mask": mask.repeat_interleave(8, 1).repeat_interleave(8, 2)}, RIGHT)
    assert torch.allclose(found["mask"], mask[:, :, 24:])


def test_bounds_are_those_of_the_whole_mask() -> None:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, 2:14, 12:30] = 1.0
    options = {"mask": mask, "set_area_to_bounds": True}
    ((_, left),), ((_, right),) = part(options, UPPER_LEFT), part(options, RIGHT)
    assert left["area"] == (12, 4, 2, 12)
    assert right["area"] == (12, 6, 2, 0)
    assert not left.get("set_area_to_bounds")
    assert options["set_area_to_bounds"] is True


def test_images_of_inpainting_models_are_cut() -> None:
    image, mask = torch.rand(1, 4, HEIGHT, WIDTH), torch.rand(1, HEIGHT, WIDTH)
    ((_, found),) = part({"concat_latent_image": image, "concat_mask": mask}, RIGHT)
    assert torch.equal(found["concat_latent_image"], image[..., 24:])
    assert torch.equal(found["concat_mask"][:, 0], mask[..., 24:])


def test_the_pictures_of_a_chain_of_controls_are_cut(net: ControlNet) -> None:
    first, second = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3), torch.rand(1, 50, 90, 3)
    positive, negative = ([[CONTEXT, {}]], [[CONTEXT, {}]])
    positive, negative = with_control([positive, negative], net, first, 1.0)
    positive, negative = with_control([positive, negative], net, second, 0.5)
    sides = TiledConditionings([positive, negative], HEIGHT, WIDTH, 8).parts(RIGHT)
    controls: list[Control] = [side[0][1]["control"] for side in sides]
    assert controls[0] is controls[1]  # so that both sides run in one batch
    assert controls[0].strength == 0.5
    assert controls[0].hint.shape == (1, 24 * 8, 16 * 8, 3)
    assert controls[0].previous is not None
    assert torch.equal(controls[0].previous.hint, first[:, :, 24 * 8 :])
    assert positive[0][1]["control"].hint is second
