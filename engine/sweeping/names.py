"""What the files of a cell are called: the save node's own prefix, the cell's number, and its values.

`ComfyUI_007_steps-8_cfg-2.5_00001_.png`. A row's `filename` stands for prefix and number. A prefix that an axis sets is
left as it is, and one that comes from another node can have nothing added.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from weft.engine.schema.registry import Registry
from weft.engine.sweeping.axes import ROWS, Point, SweepAxis
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import FILE_PREFIX, output_nodes

_MOST_BYTES = 80
_MOST_OF_A_VALUE = 32
_ODD = re.compile(r"[^\w.+-]+")


def prefixes(
    prompt: Prompt,
    registry: Registry,
    number: int,
    axes: Sequence[SweepAxis],
    points: Sequence[Point],
    taken: Collection[tuple[str, str]],
) -> dict[tuple[str, str], str]:
    """The prefixes of the files of a cell, by node id and input; `taken` are inputs that an axis sets."""
    savers = [node_id for node_id in output_nodes(prompt, registry) if _takes_prefix(prompt, node_id, registry)]
    filename = next((point.filename for point in points if point.filename), "")
    said = said_of(axes, points, rows=not filename)
    found: dict[tuple[str, str], str] = {}
    for node_id in savers:
        key = (node_id, FILE_PREFIX)
        own = prompt.nodes[node_id].inputs.get(FILE_PREFIX)
        if key in taken or (not filename and not isinstance(own, str)):
            continue
        if not filename:
            stem = f"{own}_{number:03}"
        elif len(savers) > 1:
            # Several save nodes of one row are told apart by what each calls its files.
            stem = f"{filename}_{str(own).rpartition('/')[2] if isinstance(own, str) else node_id}"
        else:
            stem = filename
        found[key] = f"{stem}_{said}" if said else stem
    return found


def said_of(axes: Sequence[SweepAxis], points: Sequence[Point], *, rows: bool = True) -> str:
    """What the points are, as a part of a file's name: `steps-8_cfg-2.5`; without `rows`, nothing of those."""
    parts: list[str] = []
    for axis, point in zip(axes, points, strict=True):
        if axis.name != ROWS or rows:
            parts += _said(axis, point)
    text = "_".join(parts)
    return text.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip("_-.")


def _said(axis: SweepAxis, point: Point) -> Iterator[str]:
    same = len({str(value) for value in point.values.values()}) == 1
    for column, value in list(point.values.items())[: 1 if same else None]:
        name = _slug(axis.columns[column][0].rpartition(".")[2] if "." in column else column)
        yield f"{name}-{_slug(str(value))[:_MOST_OF_A_VALUE]}"


def _slug(text: str) -> str:
    """Text with nothing in it that means something in a name: separators, tokens, spaces."""
    return _ODD.sub("-", text).strip("-.") or "empty"


def _takes_prefix(prompt: Prompt, node_id: str, registry: Registry) -> bool:
    return FILE_PREFIX in registry[prompt.nodes[node_id].class_type].by_name
