"""SVG values: drawings as text, as nodes that make them give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import BytesIO

from weft.nodes.diffusion.errors import DiffusionError

_OPENED = re.compile(rb"<svg\b[^>]*>", re.IGNORECASE)


class SVG:
    """A batch of drawings, each the content of a file. Third-party nodes touch it: it is ComfyUI's in name and form."""

    def __init__(self, data: list[BytesIO]) -> None:
        self.data = data

    def combine(self, other: SVG) -> SVG:
        """Both batches as one."""
        return SVG([*self.data, *other.data])

    @staticmethod
    def combine_all(svgs: Iterable[SVG]) -> SVG:
        """All batches as one."""
        return SVG([drawing for svg in svgs for drawing in svg.data])


def with_metadata(drawing: bytes, texts: Mapping[str, str]) -> bytes:
    """A drawing with a JSON object of `texts`, JSON themselves, in a <metadata> at its start.

    Raises DiffusionError where it is no SVG.
    """
    opened = _OPENED.search(drawing)
    if opened is None:
        raise DiffusionError(f"this is no SVG: expected an <svg> element, got {drawing[:40]!r}")
    document = "{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}"
    safe = document.replace("]]>", "]]\\u003e").encode()  # JSON's own escape: a CDATA section ends there
    return drawing[: opened.end()] + b"\n<metadata><![CDATA[" + safe + b"]]></metadata>" + drawing[opened.end() :]
