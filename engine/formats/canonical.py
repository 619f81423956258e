"""The one way in which `weft fmt` writes a workflow: the same workflow is the same text, a small edit a small diff.

Invariants:
1. Nothing is lost and no value changes: what is read of the text is what was read of the given one, but for the order
   of keys and of links.
2. Its own text is written as it is.
3. The text depends on nothing but what is given and the classes that are known.

API format: `$schema`, the nodes in ascending order of their ids, as the editor writes them, then what is no node; of a
node `class_type`, `inputs`, `_meta`; its inputs in the order in which its class declares them, then the others as they
stood. UI format: keys in the editor's order, then the others as they stood; links in ascending order of their ids.

Lists of plain values stand in one line where they fit. Numbers are written as JavaScript does: 1e-05 is 0.00001, and
7.0 is 7, but not for an input in API format of which no class says that it is a float.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from weft.engine.envelopes import is_node, is_workflow, opened
from weft.engine.errors import UnreadableWorkflow
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Float
from weft.engine.workflow.prompt import SCHEMA, read_json

WIDTH = 100
"""How long a line may become into which a list is gathered."""

_CANVAS = (SCHEMA, "id", "revision", "last_node_id", "last_link_id", "nodes", "links", "floatingLinks", "reroutes",
           "groups", "definitions", "config", "extra", "version")  # fmt: skip
_SUBGRAPH = ("id", "version", "state", "revision", "config", "name", "description", "inputNode", "outputNode", "inputs",
             "outputs", "widgets", "nodes", "groups", "links", "floatingLinks", "reroutes", "extra")  # fmt: skip
_NODE = ("id", "type", "pos", "size", "flags", "order", "mode", "showAdvanced", "inputs", "outputs", "title",
         "properties", "widgets_values", "widgets_values_named", "color", "bgcolor")  # fmt: skip
_INPUT = ("label", "localized_name", "name", "shape", "type", "widget", "link")
_OUTPUT = ("label", "localized_name", "name", "type", "shape", "slot_index", "links")
_LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
_GROUP = ("id", "title", "bounding", "color", "font_size", "flags")
_PANEL = ("id", "name", "type", "linkIds", "localized_name", "label", "shape", "pos")
_API_NODE = ("class_type", "inputs", "_meta")

Json = dict[str, Any]


def formatted(text: str, name: str, registry: Registry) -> str:
    """A workflow in JSON, in either format or wrapped as servers have it, in its canonical form.

    Raises UnreadableWorkflow where it is no JSON object, or nested too deeply.
    """
    document = read_json(text, name, as_float=_AsFloat.of)
    if not isinstance(document, dict):
        raise UnreadableWorkflow(f"{name} is no JSON object")
    try:
        inner = opened(document).document
        if is_workflow(inner):
            return _text(_replaced(document, inner, _workflow(inner)))
        return _text(_replaced(document, inner, _prompt(inner, registry)), floats=False)
    except RecursionError as error:
        raise UnreadableWorkflow(f"{name} is nested too deeply") from error


class _AsFloat(float):
    """A number with a point or an exponent that no float holds: it is written as it stood."""

    written: str

    @classmethod
    def of(cls, written: str) -> float:
        value = float(written)
        if math.isfinite(value):
            return value
        kept = cls(value)
        kept.written = written
        return kept


class _Meant(float):
    """A number that its class takes for a float, so that 7.0 may be written as 7."""


# In order


def _ordered(document: Any, names: Sequence[str]) -> Any:
    """An object with these keys first."""
    if not isinstance(document, dict):
        return document
    first = {name: document[name] for name in names if name in document}
    return first | document


def _replaced(document: Any, old: Any, new: Any) -> Any:
    """The document with `new` where `old` stands in it; as it is where that was read out of a text."""
    if document is old:
        return new
    if not isinstance(document, dict):
        return [_replaced(item, old, new) for item in document] if isinstance(document, list) else document
    return {name: _replaced(value, old, new) for name, value in document.items()}


def _prompt(document: Json, registry: Registry) -> Json:
    nodes = {name: _api_node(node, registry) for name, node in document.items() if is_node(node)}
    ordered = {name: nodes[name] for name in sorted(nodes, key=_place)}
    schema = {SCHEMA: document[SCHEMA]} if SCHEMA in document else {}
    return {**schema, **ordered, **{name: value for name, value in document.items() if name not in nodes}}


def _place(node_id: str) -> list[tuple[int, int, str]]:
    """Whole numbers ascending, then paths such as 12:3, part by part, then the rest by its letters."""
    parts = [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in node_id.split(":")]
    return [(int(len(parts) > 1), 0, ""), *parts] if parts[0][0] == 0 else [(2, 0, ""), *parts]


def _api_node(node: Json, registry: Registry) -> Json:
    node = _ordered(node, _API_NODE)
    inputs, class_type = node.get("inputs"), node["class_type"]
    if not isinstance(inputs, dict) or not isinstance(class_type, str) or class_type not in registry:
        return node
    declared = registry[class_type].given(inputs)
    inputs = _ordered(inputs, tuple(declared))
    for name, value in inputs.items():
        if isinstance(value, float) and name in declared and isinstance(declared[name].socket, Float):
            inputs[name] = _Meant(value) if math.isfinite(value) else value
    return {**node, "inputs": inputs}


def _workflow(document: Json) -> Json:
    document = _canvas(document, _CANVAS)
    definitions = document.get("definitions")
    if isinstance(definitions, dict) and isinstance(definitions.get("subgraphs"), list):
        subgraphs = [_subgraph(each) for each in definitions["subgraphs"]]
        document["definitions"] = {**definitions, "subgraphs": subgraphs}
    return document


def _subgraph(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    document = _canvas(document, _SUBGRAPH)
    for name in ("inputs", "outputs"):
        _each(document, name, _PANEL)
    return _workflow(document) if "definitions" in document else document


def _canvas(document: Json, names: Sequence[str]) -> Json:
    document = dict(_ordered(document, names))
    _each(document, "nodes", _NODE)
    _each(document, "groups", _GROUP)
    _each(document, "links", _LINK)
    for node in document.get("nodes") or ():
        if isinstance(node, dict):
            _each(node, "inputs", _INPUT)
            _each(node, "outputs", _OUTPUT)
    if isinstance(document.get("links"), list):
        document["links"] = _sorted(document["links"])
    return document


def _each(document: Json, name: str, names: Sequence[str]) -> None:
    """Order the objects of a list in an object that is not anybody else's."""
    if isinstance(document.get(name), list):
        document[name] = [_ordered(item, names) for item in document[name]]


def _sorted(links: list[Any]) -> list[Any]:
    """Links by their ids; as they stand where their order may count: two of one id, or two into one input."""
    known = [_end(link) for link in links]
    numbers = {number for number, _, _ in known}
    targets = {(target, slot) for _, target, slot in known}
    if len(numbers) < len(links) or len(targets) < len(links) or not all(type(number) is int for number in numbers):
        return links
    return [link for _, link in sorted(zip((number for number, _, _ in known), links, strict=True), key=lambda e: e[0])]


def _end(link: Any) -> tuple[Any, str, str]:
    """The id of a link, and where it leads to."""
    if isinstance(link, list) and len(link) >= 5 and isinstance(link[0], int | str):
        return link[0], str(link[3]), str(link[4])
    if isinstance(link, dict) and isinstance(link.get("id"), int | str):
        return link["id"], str(link.get("target_id")), str(link.get("target_slot"))
    return None, "", ""


# As text


def _text(document: Json, *, floats: bool = True) -> str:
    """The JSON text, ending in a line break. `floats`: every number with a point is meant as a float."""
    return "".join(_parts(document, "", 0, floats)) + "\n"


def _parts(value: Any, indent: str, taken: int, floats: bool) -> Iterator[str]:
    """A value in pieces; `taken` is how long the line is before it."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        for number, (name, item) in enumerate(value.items()):
            head = f"{inner}{_scalar(name, floats)}: "
            yield ("{\n" if number == 0 else ",\n") + head
            yield from _parts(item, inner, len(head), floats)
        yield f"\n{indent}}}"
    elif isinstance(value, list) and value:
        if not any(isinstance(item, list | dict) for item in value):
            line = f"[{', '.join(_scalar(item, floats) for item in value)}]"
            if taken + len(line) <= WIDTH:
                yield line
                return
        for number, item in enumerate(value):
            yield ("[\n" if number == 0 else ",\n") + inner
            yield from _parts(item, inner, len(inner), floats)
        yield f"\n{indent}]"
    else:
        yield _scalar(value, floats)


def _scalar(value: Any, floats: bool) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a pair, which no file can hold but as an escape
            return json.dumps(value)
    if isinstance(value, _AsFloat):
        return value.written
    if isinstance(value, float) and math.isfinite(value):
        return _number(value, floats or isinstance(value, _Meant))
    return json.dumps(value, ensure_ascii=False)


def _number(value: float, is_meant: bool) -> str:
    """A float as JavaScript writes it; whole ones with a point where they are not `is_meant` as floats."""
    if value.is_integer() and (not is_meant or (value == 0 and math.copysign(1, value) < 0)):
        return repr(float(value))
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    written = repr(float(value))
    mantissa, mark, exponent = written.partition("e")
    if not mark:
        return written
    if -7 < int(exponent) < 21:
        return format(Decimal(written), "f")
    return f"{mantissa}e{int(exponent):+d}"
