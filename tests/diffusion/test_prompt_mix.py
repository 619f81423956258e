"""Conditionings mixed: lengths, pooled outputs, what is kept, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.text.prompt_mix import average, concat, with_options, zero_out


def entry(value: float, tokens: int = 4, width: int = 3, **options: Any) -> list[Any]:
    return [torch.full((1, tokens, width), value), options]


def test_with_options_lays_them_over_the_entry_s_own() -> None:
    given = [entry(1.0, strength=0.5, area=(1, 2, 3, 4)), entry(2.0)]
    changed = with_options(given, strength=2.0)
    assert [options for _, options in changed] == [{"strength": 2.0, "area": (1, 2, 3, 4)}, {"strength": 2.0}]
    assert [options for _, options in given] == [{"strength": 0.5, "area": (1, 2, 3, 4)}, {}]
    assert changed[0][0] is given[0][0]


@pytest.mark.parametrize(("tokens", "expected"), [(4, [2.5] * 4), (6, [2.5] * 4), (2, [2.5, 2.5, 1.0, 1.0])])
def test_average_brings_the_source_to_the_length_of_the_other(tokens: int, expected: list[float]) -> None:
    ((mixed, _),) = average([entry(4.0)], [entry(2.0, tokens=tokens), entry(9.0)], 0.25)
    assert mixed[0, :, 0].tolist() == expected


def test_average_mixes_pooled_outputs_and_keeps_the_options() -> None:
    a, b = torch.full((1, 5), 4.0), torch.full((1, 5), 2.0)
    given = [entry(4.0, pooled_output=a, area=(1, 1, 0, 0)), entry(4.0)]
    mixed = average(given, [entry(2.0, pooled_output=b, area=(2, 2, 0, 0))], 0.25)
    assert mixed[0][1]["pooled_output"].tolist() == [[2.5] * 5]
    assert mixed[0][1]["area"] == (1, 1, 0, 0)
    assert mixed[1][1] == {"pooled_output": b}
    assert average(given, [entry(2.0)], 0.25)[0][1]["pooled_output"] is a
    assert given[1][1] == {}


def test_average_at_the_ends_is_one_or_the_other() -> None:
    a, b = [[torch.rand(1, 4, 3), {}]], [[torch.rand(1, 4, 3), {}]]
    assert torch.equal(average(a, b, 1.0)[0][0], a[0][0])
    assert torch.equal(average(a, b, 0.0)[0][0], b[0][0])


def test_concat_puts_the_first_of_the_source_behind_each() -> None:
    joined = concat([entry(1.0, start_percent=0.2), entry(2.0, tokens=1)], [entry(3.0, tokens=2), entry(4.0)])
    assert [context[0, :, 0].tolist() for context, _ in joined] == [[1.0] * 4 + [3.0] * 2, [2.0, 3.0, 3.0]]
    assert joined[0][1] == {"start_percent": 0.2}


def test_zero_out_keeps_the_options_but_the_pooled_output() -> None:
    pooled = torch.ones(1, 5)
    ((context, options), (_, plain)) = zero_out([entry(1.0, pooled_output=pooled, strength=0.5), entry(1.0)])
    assert not context.any()
    assert not options["pooled_output"].any()
    assert options["strength"] == 0.5
    assert plain == {}
    assert pooled.all()


@pytest.mark.parametrize("mix", [lambda a, b: average(a, b, 0.5), concat])
def test_what_does_not_fit(mix: Any) -> None:
    with pytest.raises(DiffusionError, match="conditioning_from is empty"):
        mix([entry(1.0)], [])
    with pytest.raises(DiffusionError, match="width 5 into one of width 3: they were encoded"):
        mix([entry(1.0)], [entry(1.0, width=5)])
    assert mix([], [entry(1.0)]) == []


def test_pooled_outputs_and_batches_that_do_not_fit() -> None:
    a, b = entry(1.0, pooled_output=torch.ones(1, 5)), entry(1.0, pooled_output=torch.ones(1, 6))
    with pytest.raises(DiffusionError, match="pooled output of width 6 into one of width 5"):
        average([a], [b], 0.5)
    with pytest.raises(DiffusionError, match="batches 1 and 2"):
        concat([a], [[torch.ones(2, 4, 3), {}]])
