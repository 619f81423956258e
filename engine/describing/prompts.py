"""JSON Schema (2020-12) of the API format, for the node classes of a registry.

- What `weft validate` finds valid, the schema accepts, but for values that a server would convert, inputs that no class
  declares and numbers between an input's steps: what hands get wrong, and no editor writes.
- It says nothing of what no schema can see: where links lead and what type comes by them, which nodes are needed.
- Each class is a definition, chosen by an `if` on class_type: an error is about the one class that was meant.
- Where what a node holds decides which inputs it has, an `if` on those values brings them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from weft.engine.describing.constants import LINK, Json, input_schema
from weft.engine.describing.examples import example_inputs
from weft.engine.documents import pointer
from weft.engine.folders import Folders
from weft.engine.schema.frontend import EDITORS_OWN
from weft.engine.schema.node import DescribedNode, InputSpec, RunnableNode
from weft.engine.schema.sockets import Autogrow, DynamicCombo, DynamicSlot

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NUMBERED = r"^[0-9]+([:.][0-9]+)*$"
"""Ids as editors give them; an entry under another name may be a remark."""

_LONG = 10
"""From so many choices on, a list of them is a definition, which inputs share."""
_OFFERED = 6
"""So many inputs of a row that grows are named, for editors to offer; the others are known by a pattern."""

SHARED: Mapping[str, Any] = {
    "link": {
        "type": "array",
        "prefixItems": [
            {"type": "string", "description": "The id of the node that gives the value."},
            {"type": "integer", "minimum": 0, "description": "Which of its outputs, counted from 0."},
        ],
        "minItems": 2,
        "maxItems": 2,
        "defaultSnippets": [{"label": "[node, output]", "body": ["${1:id}", "^${2:0}"]}],
    },
    "undeclared": {
        "description": "No input of this class: a link is given to the node, a value has no effect.",
        "if": {"type": "array"},
        "then": LINK,
        "else": {"enum": ["", None], "errorMessage": "No input of this class: the value has no effect."},
    },
    "inputs": {
        "type": "object",
        "patternProperties": {f"^({'|'.join(map(re.escape, sorted(EDITORS_OWN)))})$": True},
    },
    "entry": {
        "if": {"type": "object", "anyOf": [{"required": ["class_type"]}, {"required": ["inputs"]}]},
        "then": {"$ref": "#/$defs/node"},
        "else": {"properties": {"class_type": {"$ref": "#/$defs/class_type"}, "inputs": {"type": "object"}}},
    },
}
"""The definitions that no class has a part in."""


def prompt_schema(
    nodes: Iterable[RunnableNode | DescribedNode], *, folders: Folders | None = None, unknown: bool = False
) -> Json:
    """The schema of a prompt of these classes.

    With `folders`, the files that are there are choices. Where `unknown` classes may be, any inputs are theirs.
    """
    known = {node.schema.class_type: node for node in nodes if not node.schema.internal}
    choices = _Choices()
    classes = {f"class:{name}": _class_schema(node, folders, choices) for name, node in known.items()}
    return {
        "$schema": DIALECT,
        "title": "A workflow of ComfyUI in API format",
        "description": f"For {len(known)} node classes. Made by weft schema.",
        "type": "object",
        "minProperties": 1,
        "properties": {"$schema": {"type": "string", "description": "This schema, for editors; it is no node."}},
        "patternProperties": {NUMBERED: {"$ref": "#/$defs/node"}},
        "additionalProperties": {"$ref": "#/$defs/entry"},
        "$defs": {
            "node": _node_schema(known),
            "class_type": class_type_schema(known, unknown=unknown),
            **SHARED,
            **choices.named,
            **classes,
        },
    }


def reference(name: str) -> Json:
    """A reference to a definition of this name."""
    return {"$ref": f"#/$defs{quote(pointer(name), safe='/~:')}"}


def _node_schema(known: Iterable[str]) -> Json:
    chosen = [
        {
            "if": {"properties": {"class_type": {"const": name}}, "required": ["class_type"]},
            "then": reference(f"class:{name}"),
        }
        for name in known
    ]
    return {
        "description": "A node: its class and its inputs.",
        "type": "object",
        "required": ["class_type"],
        "properties": {
            "class_type": {"$ref": "#/$defs/class_type"},
            "inputs": {"type": "object", "description": "Values and links, by name."},
            "_meta": {
                "description": "What editors show of the node.",
                "type": "object",
                "properties": {
                    "title": {"type": ["string", "null"], "description": "By which --set may name it, too."}
                },
            },
        },
        "allOf": chosen,
        "defaultSnippets": [{"label": "node", "body": {"class_type": "$1", "inputs": {}}}],
    }


def class_type_schema(known: Mapping[str, RunnableNode | DescribedNode], *, unknown: bool) -> Json:
    """What a class_type may be, and what each of these is called and stands under; whether there may be others."""
    shown = [(node.schema.display_name, node.schema.category) for node in known.values()]
    described = [" · ".join(dict.fromkeys(filter(None, each))) for each in shown]
    listed = {"enum": list(known), "enumDescriptions": described}
    said: Json = {"description": "The class of the node.", "type": "string"}
    return {**said, "anyOf": [listed, {"type": "string"}]} if unknown else {**said, **listed}


def _class_schema(node: RunnableNode | DescribedNode, folders: Folders | None, choices: _Choices) -> Json:
    schema, options = node.schema, node.options
    rows = _Rows(node, folders, choices)
    for spec in schema.by_name.values():
        rows.add(spec)
    inputs = rows.to_json()
    inputs["allOf"] = [{"$ref": "#/$defs/inputs"}, *inputs.get("allOf", ())]
    if options.claims is None:
        inputs["properties"].update(dict.fromkeys(schema.concealed, True))
        inputs["unevaluatedProperties"] = {"$ref": "#/$defs/undeclared"}
    if rows.required:
        body = _snippet(example_inputs(schema))
        inputs["defaultSnippets"] = [{"label": f"required inputs of {schema.class_type}", "body": body}]
    said = {"title": schema.display_name, "description": schema.description}
    return {
        **{name: text for name, text in said.items() if text},
        **({"required": ["inputs"]} if rows.required else {}),
        "properties": {"inputs": inputs},
    }


class _Choices:
    """The long lists of choices: each is a definition, called after the first input that has it."""

    def __init__(self) -> None:
        self.named: dict[str, Json] = {}
        self._names: dict[str, str] = {}

    def shared(self, name: str, node: RunnableNode | DescribedNode, found: Json) -> Json:
        """What an input of this name takes, with a reference in the place of a long list."""
        if len(found.get("examples", ())) < _LONG:
            return found
        own = {key: value for key, value in found.items() if key in ("description", "default")}
        listed = {key: value for key, value in found.items() if key not in own}
        name = self._names.setdefault(json.dumps(listed), f"choices:{node.schema.class_type}.{name}")
        self.named[name] = listed
        return {**own, **reference(name)}


@dataclass
class _Rows:
    """The inputs of a class, or those that one value brings, as they are put together."""

    node: RunnableNode | DescribedNode
    folders: Folders | None
    choices: _Choices
    properties: Json = field(default_factory=dict)
    patterns: Json = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    brought: list[Json] = field(default_factory=list)

    def add(self, spec: InputSpec) -> None:
        """Take an input up, and what it unfolds to."""
        socket = spec.socket
        if isinstance(socket, Autogrow):
            self._grow(spec, socket)
            return
        validates = self.node.options.validates
        free = validates is not None and validates.covers(spec.name)
        self.properties[spec.name] = self.choices.shared(
            spec.name, self.node, input_schema(spec, self.folders, free=free)
        )
        # What other values make meaningless need not be there.
        if spec.section == "required" and not (self.node.options.unused is not None and socket.is_widget):
            self.required.append(spec.name)
        there: Json = {"required": [spec.name]}
        if isinstance(socket, DynamicCombo):
            for choice, branch in socket.branches.items():
                needed = [(section if spec.section == "required" else "optional", *rest) for section, *rest in branch]
                self._bring({"properties": {spec.name: {"const": choice}}, **there}, spec.name, needed)
        elif isinstance(socket, DynamicSlot):
            self._bring(there, spec.name, socket.brought)

    def _bring(self, condition: Json, bringer: str, brought: Iterable[Sequence[Any]]) -> None:
        rows = _Rows(self.node, self.folders, self.choices)
        for section, name, socket in brought:
            rows.add(InputSpec(f"{bringer}.{name}", socket, section))
        if rows.properties or rows.patterns:
            self.brought.append({"if": condition, "then": rows.to_json()})

    def _grow(self, spec: InputSpec, row: Autogrow) -> None:
        named = max(row.least, _OFFERED)
        if isinstance(row.item, DynamicCombo | Autogrow | DynamicSlot):
            named = len(row.names)  # what each brings is a matter of its own
        for index, name in enumerate(row.names[:named]):
            needed = "required" if spec.section == "required" and index < row.least else "optional"
            self.add(InputSpec(f"{spec.name}.{name}", row.item, needed))
        if row.names[named:]:
            names = "|".join(map(re.escape, row.names[named:]))
            pattern = f"^{re.escape(spec.name)}\\.({names})$"
            self.patterns[pattern] = input_schema(InputSpec(spec.name, row.item), self.folders)

    def to_json(self) -> Json:
        found: Json = {"properties": self.properties}
        if self.patterns:
            found["patternProperties"] = self.patterns
        if self.required:
            found["required"] = self.required
        return {**found, "allOf": self.brought} if self.brought else found


def _snippet(inputs: Json) -> Json:
    """Inputs as the body of an editor's snippet, which stops at each link; in its texts $, } and \\ have a meaning."""
    stops = count(1)

    def spelled(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"([\\$}])", r"\\\1", value)
        if isinstance(value, Mapping):
            return {key: spelled(item) for key, item in value.items()}
        return [spelled(item) for item in value] if isinstance(value, list) else value

    return {
        name: [f"${{{next(stops)}:{spelled(value[0])}}}", value[1]] if isinstance(value, list) else spelled(value)
        for name, value in inputs.items()
    }
