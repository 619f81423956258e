"""Philox: the known answers of Random123, and the stream of a CUDA generator. Numbers of ComfyUI: goldens noise_nv*."""

from __future__ import annotations

import numpy
import pytest
import torch

from weft.nodes.diffusion.sampling.philox import PhiloxGenerator, philox

FULL = 0xFFFFFFFF

# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, what comes out.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((FULL,) * 4, (FULL, FULL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]) -> None:
    counters = numpy.repeat(numpy.array(counter, dtype=numpy.uint32)[:, None], 3, axis=1)
    given = counters.copy()
    bits = philox(counters, key)
    assert [tuple(map(int, column)) for column in bits.T] == [expected] * 3
    assert numpy.array_equal(counters, given)


def test_an_element_does_not_depend_on_how_many_there_are() -> None:
    few, many = PhiloxGenerator(7).randn((5,)), PhiloxGenerator(7).randn((2, 4, 8))
    assert torch.equal(few, many.flatten()[:5])


def test_each_tensor_is_the_next_place_of_every_stream() -> None:
    generator = PhiloxGenerator(7)
    first, second = generator.randn((64,)), generator.randn((64,))
    assert not torch.equal(first, second)
    again = PhiloxGenerator(7)
    again.randn((1,))
    assert torch.equal(again.randn((64,)), second)


@pytest.mark.parametrize("seed", [0, 2**32, 2**63, 2**64 - 1])
def test_standard_normal_for_every_seed(seed: int) -> None:
    drawn = PhiloxGenerator(seed).randn((40_000,))
    assert drawn.dtype == torch.float32
    assert drawn.isfinite().all()
    assert abs(float(drawn.mean())) < 0.02
    assert abs(float(drawn.std()) - 1.0) < 0.02


def test_both_halves_of_the_seed_count() -> None:
    draws = [PhiloxGenerator(seed).randn((8,)) for seed in (5, 5 + 2**32, 6)]
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
