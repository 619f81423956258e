"""What tests ask of caches, as plans and runs ask it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from weft.engine.cache.protocol import Cache, Entry
from weft.nodes.core.codecs import encode

KEY, OTHER = b"k" * 64, b"o" * 64


def got(cache: Cache, key: bytes = KEY) -> Entry | None:
    manifest = cache.lookup(key)
    return None if manifest is None else cache.load(manifest)


def kept(cache: Cache, *outputs: Any) -> Any:
    """What the cache gives for an entry; None if it did not keep it."""
    cache.put(KEY, Entry(outputs))
    entry = got(cache)
    return None if entry is None else entry.outputs


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to the last bit, their types and strides too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        alike = (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        return alike and encode(one) == encode(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    return repr(one) == repr(other)


def tensor(number: int = 0, count: int = 1000) -> torch.Tensor:
    return torch.full((count,), float(number))


def flip(file: Path) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1 << len(content) % 8
    file.write_bytes(content)
