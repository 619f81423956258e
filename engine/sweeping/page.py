"""One self-contained page of a sweep: its pictures, sortable, filterable by axis; it asks for nothing outside of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from weft.engine.documents import finite
from weft.engine.sweeping.axes import SweepAxis
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.index import CellRecord
from weft.engine.sweeping.layout import label, short
from weft.engine.sweeping.pictures import Pictures

SIDES = ((200, 512), (1_000, 320), (10_000, 192))
"""Up to so many pictures, none is embedded with a longer side; more are smaller still."""

_LEAST = 96


def page(
    title: str,
    axes: Sequence[SweepAxis],
    cells: Sequence[SweepCell],
    records: Mapping[int, CellRecord],
    pictures: Mapping[int, Sequence[Path]],
    drawing: Pictures,
) -> str:
    """The page as HTML. `pictures` has the picture files of each cell, by its number."""
    embedded = _Embedded(drawing, sum(map(len, pictures.values())))
    data: dict[str, Any] = {
        "axes": [{"name": short(axis), "labels": [label(axis, point) for point in axis.points]} for axis in axes],
        "cells": [_cell(cell, records.get(cell.number), pictures.get(cell.number, ()), embedded) for cell in cells],
    }
    data["pictures"] = embedded.found
    # Inside a script, nothing may look like its end or like a comment.
    told = json.dumps(finite(data)[0], default=str).replace("<", "\\u003c")
    done = sum(record.is_done for record in records.values())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{_asset("page.css")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="dim"><span id="count"></span> of {len(cells)} cells, {done} done</p>
<div id="controls"></div>
</header>
<noscript><p>The pictures are in this file, and a script shows them.</p></noscript>
<main id="cells"></main>
<dialog id="large"></dialog>
<script type="application/json" id="sweep">{told}</script>
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


class _Embedded:
    """The pictures of a page, each once however many cells have it."""

    def __init__(self, drawing: Pictures, count: int) -> None:
        self.found: list[str] = []
        self._drawing = drawing
        self._side = next((side for most, side in SIDES if count <= most), _LEAST)
        self._places: dict[bytes, int] = {}

    def add(self, file: Path) -> int | None:
        """The place of the picture in a file among those found; None for no picture."""
        content = self._drawing.reduced(file, self._side)
        if content is None:
            return None
        if content not in self._places:
            self._places[content] = len(self.found)
            self.found.append("data:image/webp;base64," + base64.b64encode(content).decode())
        return self._places[content]


def _cell(cell: SweepCell, record: CellRecord | None, files: Sequence[Path], embedded: _Embedded) -> dict[str, Any]:
    shown = [(place, file) for file in files if (place := embedded.add(file)) is not None]
    return {
        "number": cell.number,
        "at": cell.at,
        "parameters": dict(cell.parameters),
        "place": cell.place,
        "filename": cell.filename,
        "status": record.status if record is not None else "waiting",
        "error": record.error if record is not None else "",
        "seconds": record.seconds if record is not None else 0,
        "cached": record.cached if record is not None else False,
        "seeds": dict(record.seeds) if record is not None else {},
        "files": list(record.files) if record is not None else [],
        "pictures": [[place, _address(file, record)] for place, file in shown],
    }


def _address(file: Path, record: CellRecord | None) -> str:
    """The file from beside the page; empty for one that is elsewhere."""
    names = record.files if record is not None else ()
    return next((quote(name) for name in names if file.as_posix().endswith("/" + name)), "")


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
