"""What a cache in a folder gives back is what went in, to the last bit; what has no form is not kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from weft import DiskCache
from weft.engine.cache import blobs
from weft.engine.cache.protocol import ABSENT, Entry
from weft.engine.schema.packs import Codec, Pack, Packs
from weft.engine.values import ExecutionBlocker, Values
from weft.nodes.core.codecs import decode, encode

from .caches import KEY, got, kept, same, tensor


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, warnings: list[str]) -> Iterator[DiskCache]:
    cache = DiskCache(tmp_path / "kept", warn=warnings.append)
    yield cache
    cache.close()


@pytest.mark.parametrize("value", [
    None, True, 0, 1, 1.0, -0.0, math.inf, -math.inf, math.nan, 2**80, "", "1", "ä\ud800\n", b"\x00\xff", [], (), {},
    Values(), Values((1, [2], "3")), Values((1, ExecutionBlocker("why"))), ExecutionBlocker(None),
    [1, (2, [3.5, {"a": None, 1: b"x", (1, 2): "y"}])], {"dict": {"tuple": []}, "blob": ["00", "torch.Tensor"]},
], ids=repr)  # fmt: skip
def test_plain_values(cache: DiskCache, value: Any) -> None:
    assert same(kept(cache, value, 7), (value, 7))


DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_of_every_type(cache: DiskCache, dtype: torch.dtype) -> None:
    values = (torch.arange(-3, 9).reshape(3, 4).to(torch.float32) / 3).to(dtype)
    assert same(kept(cache, values, values[0, 0], values[:0]), (values, values[0, 0], values[:0]))


def test_bits_that_are_no_numbers() -> None:
    payloads = torch.tensor([0x7FC00001, 0x7F800001, -0x80000000, 0x7F800000], dtype=torch.int64).to(torch.int32)
    back = decode(encode(payloads.view(torch.float32)))
    assert torch.equal(back.view(torch.int32), payloads)


@pytest.mark.parametrize("value", [
    torch.arange(24.0).reshape(2, 3, 4).movedim(1, -1), torch.arange(24.0).reshape(1, 2, 3, 4).to(
        memory_format=torch.channels_last), torch.arange(6.0).reshape(2, 3).t(), torch.arange(20.0)[4:],
], ids=["moved", "channels last", "transposed", "the end of another"])  # fmt: skip
def test_strides(cache: DiskCache, value: torch.Tensor) -> None:
    assert same(kept(cache, value), (value,))


@pytest.mark.parametrize("value", [torch.arange(20.0)[::3], torch.ones(1).expand(3, 4)], ids=["gaps", "overlaps"])
def test_of_gaps_the_values_are_kept(value: torch.Tensor) -> None:
    assert torch.equal(decode(encode(value)), value)


def test_latents_conditionings_and_what_hangs_on_them(cache: DiskCache) -> None:
    latent = {"samples": torch.randn(2, 4, 8, 8), "noise_mask": torch.rand(1, 64, 64), "batch_index": [0, 3]}
    conditioning = [
        [torch.randn(1, 77, 32), {"pooled_output": torch.randn(1, 8), "area": (8, 8, 0, 0), "strength": 0.5}],
        [torch.tensor([[[math.nan]]]), {"pooled_output": None, "mask": torch.ones(1, 8, 8), "x": [torch.ones(1)]}],
    ]
    assert same(kept(cache, latent, conditioning, torch.linspace(14.6, 0, 5)), (
        latent, conditioning, torch.linspace(14.6, 0, 5)))  # fmt: skip


def test_one_object_is_one_and_comes_back_as_one(cache: DiskCache) -> None:
    shared = tensor()
    outputs = kept(cache, shared, [shared])
    assert outputs[0] is outputs[1][0]
    assert cache.size().blobs == 1


def test_ui_and_files(cache: DiskCache, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    entry = Entry((), {"images": [{"filename": "a.png"}]}, (tmp_path / "a.png",))
    cache.put(KEY, entry)
    assert got(cache) == entry
    manifest = cache.lookup(KEY)
    assert manifest is not None and manifest.contents == (blobs.digest_of(b"picture"),)


class Model:
    pass


@pytest.mark.parametrize("value", [
    Model(), Model, {1, 2}, [Model()], {"control": Model()}, torch.nn.Parameter(torch.ones(1)),
    torch.ones(1, requires_grad=True), torch.ones(2, device="meta"), torch.ones(1, dtype=torch.complex64).conj(),
    torch.eye(2).to_sparse(),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_what_has_no_form_is_not_kept(cache: DiskCache, warnings: list[str], value: Any) -> None:
    assert kept(cache, 1, value, tensor()[:1]) == (1, ABSENT, tensor()[:1])
    manifest = cache.lookup(KEY)
    assert manifest is not None and manifest.absent == (1,)
    assert not warnings and cache.size().blobs == 1


def test_what_contains_itself_is_not_kept(cache: DiskCache, warnings: list[str]) -> None:
    value: list[Any] = [tensor()]
    value.append(value)
    assert kept(cache, value, 1) == (ABSENT, 1)
    assert not warnings and cache.size().blobs == 0, "nothing of it is written"


def test_of_what_two_outputs_share_one_may_be_kept(cache: DiskCache) -> None:
    shared = tensor()
    assert same(kept(cache, [shared, Model()], [shared]), (ABSENT, [shared]))


def test_a_ui_that_has_no_form_keeps_all_of_it_out(cache: DiskCache, warnings: list[str]) -> None:
    cache.put(KEY, Entry((1,), {"text": [Model()]}))
    assert got(cache) is None and not warnings


def test_a_pack_brings_a_codec(tmp_path: Path) -> None:
    kind = f"{Model.__module__}.{Model.__qualname__}"
    packs = Packs((Pack(codecs={kind: Codec(lambda model: b"m", lambda content: Model())}),))
    cache = DiskCache(tmp_path, codecs=packs.codec)
    assert isinstance(kept(cache, Model())[0], Model)
    cache.close()


def test_a_codec_that_fails_is_told_of(tmp_path: Path, warnings: list[str]) -> None:
    kind = f"{Model.__module__}.{Model.__qualname__}"
    packs = Packs((Pack(codecs={kind: "no.such:CODEC"}, name="mine"),))
    cache = DiskCache(tmp_path, codecs=packs.codec, warn=warnings.append)
    assert kept(cache, Model()) is None
    cache.close()
    assert len(warnings) == 1 and "node pack 'mine': its codec of" in warnings[0]
