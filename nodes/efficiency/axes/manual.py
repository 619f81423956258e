"""The axes that people write by hand: entries between semicolons (efficiency.md section 5.4).

Line breaks mean nothing, and one semicolon at the end is dropped. What an entry is, the Grammar of its kind says.
"""

from __future__ import annotations

from weft.nodes.efficiency.axes.kind import Files
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.values import NOTHING, XY

MANUAL_KINDS = (NOTHING.kind, *(name for name, kind in KINDS.items() if kind.grammar is not None))


def folder_named(kind: str) -> str:
    """The folder of the files that the entries of a kind name; empty where they name none."""
    grammar = KINDS[kind].grammar if kind in KINDS else None
    return grammar.folder if grammar is not None else ""


def parse_axis(kind: str, text: str, files: Files) -> XY:
    """The axis that a Manual XY Entry writes.

    Numbers are brought into the range of their widget; order and repetitions stay.

    Raises:
        ValueError: an empty entry, no number, or a name that is not known; says which, and what is near.
    """
    if kind == NOTHING.kind:
        return NOTHING
    grammar = KINDS[kind].grammar
    assert grammar is not None, f"{kind} is not written by hand"
    plain = text.replace("\r", "").replace("\n", "").removesuffix(";")
    if not (grammar.blanks or grammar.folder):
        plain = plain.replace(" ", "")
    entries = plain.split(";")
    empty = [number for number, entry in enumerate(entries, 1) if not entry]
    if empty:
        raise ValueError(f"entry {empty[0]} of {len(entries)} is empty")
    return XY(kind, tuple(grammar.parse(entries, files)))
