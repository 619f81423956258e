"""How far two prompts in API format agree, from the strictest level to the loosest.

exact       the same node ids, classes and inputs; titles and the order of keys do not count, 1 equals 1.0
relaxed     inputs that only an editor uses do not count, nor does one that a side lacks and that has its default:
            nodes gain widgets over time
isomorphic  relaxed, and ids may be renumbered, as newer frontends do with those of inner nodes
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_ONLY_IN_AN_EDITOR = {
    ("SaveWEBM", "video-preview"), ("PreviewAny", "preview"), ("RecordAudio", "audio"), ("SaveGLB", "image"),
    ("Preview3D", "image"), ("Preview3DAnimation", "image"), ("Load3D", "image"), ("Load3DAnimation", "image"),
    ("LoadImageOutput", "refresh"),
}  # fmt: skip
_ONLY_IN_EDITORS = {"upload", "choose file to upload", "video-preview", "audioUI", "videopreview"}
_DEFAULTS = {"INT": 0, "FLOAT": 0, "STRING": "", "BOOLEAN": False}


def exact(expected: Json, got: Json, *, editors: bool = True) -> list[str]:
    """What is different, a line each; with `editors` also in inputs that only an editor uses."""
    return _differences(_clean(expected, whole=editors), _clean(got, whole=editors), {}, forgiving=False)


def relaxed(expected: Json, got: Json, object_info: Json) -> list[str]:
    """What is different, a line each."""
    return _differences(_clean(expected), _clean(got), object_info, forgiving=True)


def isomorphic(expected: Json, got: Json, object_info: Json) -> bool:
    """Whether the prompts are the same up to the ids of their nodes."""
    return _shape(expected, object_info) == _shape(got, object_info)


def _clean(prompt: Json, *, whole: bool = False) -> dict[str, tuple[str, Json]]:
    """Class and inputs of each node."""
    return {
        str(node_id): (
            node.get("class_type"),
            {
                name: [str(value[0]), value[1]] if _is_link(value) else _number(value)
                for name, value in node.get("inputs", {}).items()
                if whole or not (name in _ONLY_IN_EDITORS or (node.get("class_type"), name) in _ONLY_IN_AN_EDITOR)
            },
        )
        for node_id, node in prompt.items()
    }


def _differences(
    expected: Mapping[str, tuple[str, Json]], got: Mapping[str, tuple[str, Json]], object_info: Json, *, forgiving: bool
) -> list[str]:
    found = []
    for node_id in dict.fromkeys([*expected, *got]):
        if node_id not in got:
            found.append(f"node {node_id} ({expected[node_id][0]}) missing")
        elif node_id not in expected:
            found.append(f"node {node_id} ({got[node_id][0]}) unexpected")
        else:
            found += _of_node(node_id, expected[node_id], got[node_id], object_info, forgiving)
    return found


def _of_node(
    node_id: str, expected: tuple[str, Json], got: tuple[str, Json], object_info: Json, forgiving: bool
) -> list[str]:
    (class_type, wanted), (other, had) = expected, got
    found = [] if class_type == other else [f"node {node_id}: class_type {class_type} != {other}"]
    for name in dict.fromkeys([*wanted, *had]):
        place = f"node {node_id} ({class_type}).{name}"
        if name in wanted and name in had:
            one, two = wanted[name], had[name]
            if one != two or isinstance(one, bool) != isinstance(two, bool):
                found.append(f"{place}: {one!r} != {two!r}")
            continue
        value = wanted.get(name, had.get(name))
        is_default = not _is_link(value) and _number(_default(object_info, class_type, name)) == value
        if not (forgiving and is_default):
            found.append(f"{place}: {'missing' if name in wanted else 'unexpected'} ({value!r})")
    return found


def _shape(prompt: Json, object_info: Json) -> list[str]:
    """A digest of each node and all above it, without ids and defaults."""
    nodes = _clean(prompt)
    known: dict[str, str] = {}

    def digest(node_id: str, below: tuple[str, ...]) -> str:
        if node_id in known:
            return known[node_id]
        if node_id not in nodes or node_id in below:
            return "nothing"
        class_type, inputs = nodes[node_id]
        parts: list[Any] = []
        for name, value in sorted(inputs.items()):
            if _is_link(value):
                parts.append((name, digest(value[0], (*below, node_id)), value[1]))
            elif _number(_default(object_info, class_type, name)) != value:
                parts.append((name, json.dumps(value, sort_keys=True)))
        known[node_id] = hashlib.sha256(repr((class_type, parts)).encode("utf-8", "surrogatepass")).hexdigest()
        return known[node_id]

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        return sorted(digest(node_id, ()) for node_id in nodes)
    finally:
        sys.setrecursionlimit(limit)


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and type(value[0]) in (str, int) and type(value[1]) is int


def _number(value: Any) -> Any:
    """A number as JavaScript holds it."""
    if isinstance(value, float) and value == int(value) and abs(value) < 2**63:
        return int(value)
    if type(value) is int and abs(value) > 2**53:
        return int(float(value))
    return value


def _default(object_info: Json, class_type: str, name: str) -> Any:
    """The value that the editor gives the input; `...` where it has none."""
    sections = object_info.get(class_type, {}).get("input", {})
    spec = next((part[name] for key in ("required", "optional") if name in (part := sections.get(key) or {})), None)
    if not spec:
        return ...
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    if options.get("default") is not None:
        return options["default"]
    choices = spec[0] if isinstance(spec[0], list) else options.get("options")
    return choices[0] if choices else _DEFAULTS.get(spec[0] if isinstance(spec[0], str) else "", ...)
