"""Weights of 8 bits: numbers of the format are kept, and what is rounded at random goes by the weight's name."""

from __future__ import annotations

import pytest
import torch

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.float8 import FORMATS, Float8, nearest, seeded

FORMS = pytest.mark.parametrize("form", {form.dtype: form for form in FORMATS.values()}.values(), ids=str)


def numbers(form: Float8) -> torch.Tensor:
    """Every finite number of a format, in order."""
    every = torch.arange(256, dtype=torch.uint8).view(form.dtype).float()
    return every[every.isfinite()].unique()


@FORMS
def test_numbers_of_the_format_stay(form: Float8) -> None:
    every = numbers(form)
    assert torch.equal(nearest("w", every, form).float(), every)
    assert torch.equal(seeded("w", every, form), every)


@FORMS
def test_a_number_becomes_one_of_its_neighbours_as_often_as_it_is_near(form: Float8) -> None:
    every = numbers(form)
    below = every[every.diff(append=every[-1:]) > 0]
    above = every[1:]
    share = 0.25
    given = (below + share * (above - below)).repeat(400, 1)
    rounded = seeded("w", given, form)
    assert bool(((rounded == below) | (rounded == above)).all())
    up = (rounded == above).float().mean(0)
    # 400 draws: five standard deviations are 0.11; half precision moves the ends of the range by a little more.
    middle = (below.abs() > 2.0**form.lowest) & (below.abs() < 300)
    assert float((up - torch.where(below >= 0, share, share))[middle].abs().max()) < 0.15


def test_the_name_is_the_seed() -> None:
    form = FORMATS["fp8_e4m3fn"]
    given = torch.linspace(-3, 3, 1000)
    first = seeded("a.weight", given, form)
    assert torch.equal(seeded("a.weight", given, form), first)
    assert not torch.equal(seeded("b.weight", given, form), first)


def test_what_the_format_cannot_hold_is_an_error() -> None:
    form = FORMATS["fp8_e5m2"]
    with pytest.raises(
        CheckpointError, match=r"'w' holds 1e\+06, and the largest number of torch.float8_e5m2 is 57344"
    ):
        nearest("w", torch.tensor([1.0, -1e6]), form)
    # As torch rounds: this format has no infinity.
    assert torch.equal(nearest("w", torch.tensor([1e6]), FORMATS["fp8_e4m3fn"]).float(), torch.tensor([448.0]))
    assert torch.equal(seeded("w", torch.tensor([6e4]), form), torch.tensor([57344.0]))
