"""The header of a file of weights, read without torch: so a check before a run can tell what a file is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.gguf_header import MAGIC, read_gguf

# safetensors' own limit for its header.
_LARGEST_HEADER = 100_000_000
# Brackets and commas in a header: the training notes of a LoRA may have a million, and each costs a hundred bytes.
_MOST_PARTS = 4_000_000
# What a file may be instead, by its first bytes (of text: without white space before, in lower case).
_BINARIES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
}
_TEXTS = {
    b"version https://git-lfs": "a git-lfs pointer: the file itself was not fetched (git lfs pull)",
    b"<!doctype html": "an HTML page: the download was not the file (a login or an error page?)",
    b"<html": "an HTML page: the download was not the file (a login or an error page?)",
    b"<?xml": "an XML page: the download was not the file",
}


def first_bytes(path: Path) -> tuple[bytes, int]:
    """The first 64 bytes of a file, and its size. Raises CheckpointError where there is none."""
    if not path.exists():
        raise CheckpointError(f"no such file: {path}")
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file")
    try:
        with path.open("rb") as file:
            return file.read(64), path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def is_safetensors(start: bytes) -> bool:
    """A length of 8 bytes, then a JSON object: so it is one even if the rest is cut off."""
    if len(start) < 9 or start[8:9] != b"{":
        return False
    return 2 <= int.from_bytes(start[:8], "little") <= _LARGEST_HEADER


def read_header(path: Path, size: int) -> tuple[dict[str, str], dict[str, tuple[int, ...]], dict[str, int]]:
    """Metadata, shapes and sizes in bytes of a safetensors file, tensors in the order of the file.

    Raises:
        CheckpointError: it is cut short or damaged.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length)
    if len(text) < length:
        raise CheckpointError(f"{path.name} is truncated: {size} bytes, and its header alone takes {length + 8}")
    if sum(map(text.count, (b"[", b"{", b","))) > _MOST_PARTS:
        raise CheckpointError(f"{path.name} ({size} bytes): its safetensors header has over {_MOST_PARTS:,} parts")
    try:
        metadata, spans, shapes = _described(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{path.name} ({size} bytes): its safetensors header is damaged: {what:.200}") from error
    expected = 8 + length + max((end for _, end, _ in spans), default=0)
    if size < expected:
        raise CheckpointError(f"{path.name} is truncated: {size} bytes of {expected}; fetch it again")
    if size > expected:
        raise CheckpointError(f"{path.name} is damaged: {size} bytes, its header describes {expected}")
    return metadata, shapes, {key: end - begin for begin, end, key in spans}


def described(path: Path) -> tuple[dict[str, str], dict[str, tuple[int, ...]]] | None:
    """Metadata and shapes of a file whose header tells them, safetensors or GGUF; None for another.

    Raises:
        CheckpointError: as first_bytes, read_header and read_gguf.
    """
    start, size = first_bytes(path)
    if start.startswith(MAGIC):
        return {}, {name: tensor.shape for name, tensor in read_gguf(path).tensors.items()}
    return read_header(path, size)[:2] if is_safetensors(start) else None


def _described(header: Any) -> tuple[dict[str, str], list[tuple[int, int, str]], dict[str, tuple[int, ...]]]:
    """Metadata, the spans (begin, end, key) in order, the shapes. Raises ValueError, KeyError or TypeError."""
    if not isinstance(header, dict):
        raise TypeError(f"expected an object, got {type(header).__name__}")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise TypeError("its metadata is no texts by name")
    for key, entry in header.items():
        shape, span = entry["shape"], entry["data_offsets"]
        if not (_are_sizes(shape) and _are_sizes(span) and len(span) == 2 and span[0] <= span[1]):
            raise ValueError(f"{key!r:.80} has no sizes for shape and data_offsets")
    spans = sorted((*entry["data_offsets"], key) for key, entry in header.items())
    return metadata, spans, {key: tuple(header[key]["shape"]) for _, _, key in spans}


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 63 for item in value)


def what_starts_so(start: bytes) -> str:
    """What the first bytes of a file say that it is."""
    if not start:
        return "empty"
    for magic, what in _BINARIES.items():
        if start.startswith(magic):
            return what
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return "a Python pickle, which could run anything: it was not opened"
    text = start.lstrip().lower()
    for magic, what in _TEXTS.items():
        if text.startswith(magic):
            return what
    if all(byte >= 32 or byte in b"\t\n\r" for byte in start):
        return f"text: {start[:40].decode(errors='replace')!r}"
    if not any(start):
        return "zeros: a download that was never filled?"
    return f"something that starts with {start[:8].hex(' ')}"
