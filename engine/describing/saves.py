"""JSON Schema (2020-12) of the UI format: what the editor saves, of versions 0.4 and 1.

It says how a save is built: which parts nodes and links have. Not what the entries of `widgets_values` mean: that is a
matter of each node's history. Who writes a graph by hand writes the API format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft.engine.describing.constants import Json
from weft.engine.describing.prompts import DIALECT, class_type_schema
from weft.engine.formats.workflow import NEWEST_VERSION
from weft.engine.schema.node import DescribedNode, RunnableNode

_ID: Json = {"type": ["integer", "string"]}
_OPTIONAL_ID: Json = {"type": ["integer", "string", "null"]}
_POINT: Json = {
    "description": "Two numbers: from the left, from the top.",
    "type": ["array", "object"],
    "items": {"type": "number"},
    "minItems": 2,
}
_OBJECT: Json = {"type": "object"}
_TEXT: Json = {"type": ["string", "null"]}


def _list_of(name: str) -> Json:
    return {"type": ["array", "null"], "items": {"$ref": f"#/$defs/{name}"}}


def workflow_schema(nodes: Iterable[RunnableNode | DescribedNode]) -> Json:
    """The schema of a save; these classes are offered, and others may be there: subgraphs, notes, nodes of packs."""
    known = {node.schema.class_type: node for node in nodes if not node.schema.internal}
    return {
        "$schema": DIALECT,
        "title": "A workflow as ComfyUI's editor saves it",
        "description": "Versions 0.4 and 1. Made by weft schema.",
        "$ref": "#/$defs/canvas",
        "properties": {
            "$schema": {"type": "string"},
            "version": {"type": "number", "maximum": NEWEST_VERSION},
            "models": {"type": "array"},
        },
        "$defs": {"class_type": class_type_schema(known, unknown=True), **_PARTS},
    }


_PARTS: dict[str, Any] = {
    "canvas": {
        "description": "A graph: the workflow itself, or a subgraph.",
        "type": "object",
        "required": ["nodes"],
        "properties": {
            "id": _OPTIONAL_ID,
            "name": _TEXT,
            "revision": {"type": "integer"},
            "last_node_id": {"type": ["integer", "string"], "description": "The highest id that a node has had."},
            "last_link_id": {"type": "integer", "description": "The highest id that a link has had."},
            "nodes": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "links": {"type": ["array", "null"], "items": {"$ref": "#/$defs/link"}},
            "groups": {"type": "array", "items": {"$ref": "#/$defs/group"}},
            "inputs": _list_of("panel"),
            "outputs": _list_of("panel"),
            "definitions": {"type": ["object", "null"], "properties": {"subgraphs": _list_of("subgraph")}},
            "config": _OBJECT,
            "extra": _OBJECT,
            "state": _OBJECT,
        },
    },
    "subgraph": {
        "description": "A subgraph; nodes whose type is its id are instances of it.",
        "$ref": "#/$defs/canvas",
        "required": ["id"],
    },
    "panel": {
        "description": "An input or output of a subgraph.",
        "type": "object",
        "required": ["name", "type"],
        "properties": {"id": _ID, "name": {"type": "string"}, "linkIds": {"type": ["array", "null"]}},
    },
    "group": {
        "type": "object",
        "properties": {"title": {"type": "string"}, "bounding": {"type": "array", "minItems": 4, "maxItems": 4}},
    },
    "node": {
        "type": "object",
        "required": ["id", "type"],
        "properties": {
            "id": _ID,
            "type": {"$ref": "#/$defs/class_type"},
            "title": _TEXT,
            "pos": _POINT,
            "size": _POINT,
            "order": {"type": "integer"},
            "mode": {
                "description": "What becomes of it when the workflow is queued.",
                "enum": [0, 1, 2, 3, 4, None],
                "enumDescriptions": ["it runs", "it runs", "muted", "it runs", "bypassed", "it runs"],
            },
            "inputs": _list_of("input"),
            "outputs": _list_of("output"),
            "properties": _OBJECT,
            "widgets_values": {
                "description": "What its widgets hold, in their order; a seed is followed by its control.",
                "type": ["array", "object", "null"],
            },
        },
    },
    "input": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "link": {"description": "The id of the link that leads here.", **_OPTIONAL_ID},
            "widget": {"description": "The widget that this input stands for.", "type": ["object", "null"]},
        },
    },
    "output": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "links": {"description": "The ids of the links that begin here.", "type": ["array", "null"], "items": _ID},
        },
    },
    "link": {
        "description": "[id, node it comes from, output of that node, node it leads to, input of that node, type]",
        "type": ["array", "object", "null"],
        "prefixItems": [_ID, _ID, {"type": "integer", "minimum": 0}, _OPTIONAL_ID],
        "minItems": 5,
        "required": ["id", "origin_id", "origin_slot"],
        "properties": {
            "id": _ID,
            "origin_id": _ID,
            "origin_slot": {"type": "integer"},
            "target_id": _OPTIONAL_ID,
        },
    },
}
"""The parts of a save that are built so, whichever classes there are."""
