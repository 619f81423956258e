"""Sizes of memory, as people write and read them: `8G` is 8 GiB."""

from __future__ import annotations

import re

_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}


def read_bytes(text: str | int) -> int:
    """The bytes of a size: `8G`, `7.5 GiB`, `512M`; of bytes themselves, as a number. Raises ValueError for others."""
    if isinstance(text, int) and not isinstance(text, bool) and text > 0:
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])i?B?\s*", str(text), re.IGNORECASE)
    size = int(float(found[1]) * 1024 ** _UNITS[found[2].upper()]) if found else 0
    if not size:
        raise ValueError(f"expected a size such as 8G or 512M, got {text!r:.100}")
    return size


def said(size: float) -> str:
    """`6.2 GiB`, `512 MiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
