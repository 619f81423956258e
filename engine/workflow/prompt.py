"""The API format: `{id: {class_type, inputs, _meta}}`. What is validated, hashed and executed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from weft.engine.documents import is_deeper, kind_of
from weft.engine.documents import pointer as pointer_to
from weft.engine.envelopes import is_node, is_prompt, opened
from weft.engine.errors import Issue, UnreadableWorkflow
from weft.engine.links import Link as Link
from weft.engine.links import as_link as as_link

MAX_BYTES = 64 * 1024 * 1024
"""The largest workflow text that is read; the largest ones people share are about 1 MB."""


SCHEMA = "$schema"
"""The key under which a document names its JSON Schema, for editors. It is no node, and no server is sent it."""

MAX_PARTS = 4_000_000
"""Brackets and commas in a text that is read: each may cost a hundred bytes; a workflow of 1 MB has 100,000."""

MAX_DEPTH = 100
"""How deeply lists and objects inside one input may be nested; what walks them may then recurse."""


def wrapped(value: Any) -> Any:
    """A constant as it is written in a prompt, where a bare list would be a link: `{"__value__": [...]}`."""
    return {"__value__": value} if isinstance(value, list) else value


def unwrapped(value: Any) -> Any:
    """A constant of a prompt as it is meant."""
    if type(value) is dict and len(value) == 1 and "__value__" in value:
        return value["__value__"]
    return value


OWN = "weft"
"""Of a node's `_meta`, and of its properties in a save: what is said to Weft of it."""


class PromptNode(BaseModel):
    """One node of a prompt. In `inputs`, every link is a Link; what else is a list is a malformed link."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    class_type: str
    inputs: dict[str, Any] = Field(default_factory=dict)
    meta: dict[str, Any] = Field(default_factory=dict, alias="_meta")

    @field_validator("meta", mode="before")
    @classmethod
    def _no_meta(cls, meta: Any) -> Any:
        """Whatever else than an object stands there says nothing; a server never looks at it."""
        return meta if isinstance(meta, dict) else {}

    @field_validator("inputs", mode="after")
    @classmethod
    def _make_links(cls, inputs: dict[str, Any]) -> dict[str, Any]:
        for name, value in inputs.items():
            if type(value) is list:
                inputs[name] = as_link(value) or value
        return inputs

    @property
    def links(self) -> Iterator[tuple[str, Link]]:
        """The inputs that are links, by name."""
        return ((name, value) for name, value in self.inputs.items() if type(value) is Link)

    @property
    def title(self) -> str | None:
        """The title that the user gave it, if any."""
        title = self.meta.get("title")
        return title if isinstance(title, str) and title else None

    def to_json(self) -> dict[str, Any]:
        """The node as it is written in a file."""
        inputs = {name: list(value) if type(value) is Link else value for name, value in self.inputs.items()}
        data = {"inputs": inputs, "class_type": self.class_type, **(self.model_extra or {})}
        return {**data, "_meta": self.meta} if self.meta else data


_NODES = TypeAdapter(dict[str, PromptNode])
_ID = re.compile(r"\d+([:.]\d+)*")


class Shown(NamedTuple):
    """A node that the editor shows and no prompt has, of a subgraph or a PrimitiveNode, and its widgets.

    By a widget's name: the inputs, by node id and name, that it sets; by what it is, where several have the name.
    """

    title: str
    widgets: dict[str, dict[str, list[tuple[str, str]]]]


class Prompt:
    """A parsed prompt: nodes by id, in the order of the document.

    `extra_pnginfo` is what goes into saved pictures beside the prompt (the UI workflow); `pointer` is the JSON pointer
    of the prompt inside the document that it came from; `notes` say what was wrong when it was read; `controls` say
    what becomes of seeds after a run (formats/controls.py), by node id and input name; `made` is what a file of
    Weft's says of its making (RunContext.provenance); `schema` is the JSON Schema that the document names, if any.
    """

    def __init__(
        self, nodes: Mapping[str, PromptNode], *, extra_pnginfo: Mapping[str, Any] | None = None, pointer: str = ""
    ) -> None:
        self.nodes = dict(nodes)
        self.extra_pnginfo = dict(extra_pnginfo or {})
        self.pointer = pointer
        self.notes: tuple[Issue, ...] = ()
        self.controls: Mapping[tuple[str, str], Any] = {}
        self.made: Mapping[str, Any] = {}
        self.schema: str | None = None

    @property
    def classes(self) -> dict[str, str]:
        """The class of each node, by id."""
        return {node_id: node.class_type for node_id, node in self.nodes.items()}

    @classmethod
    def parse(cls, document: Any) -> Prompt:
        """Read a prompt, bare or wrapped (weft.engine.envelopes).

        Entries that are no nodes, comments and the like, are left out with a note. Raises UnreadableWorkflow. The
        document is not changed and not kept.
        """
        if not isinstance(document, Mapping):
            raise UnreadableWorkflow(f"expected a JSON object of nodes, got {kind_of(document)}")
        document, pointer, extra = opened(document)
        schema = document.get(SCHEMA) if isinstance(document, Mapping) else None
        if isinstance(schema, str):
            document = {name: entry for name, entry in document.items() if name != SCHEMA}
        if not isinstance(document, Mapping) or not document:
            raise UnreadableWorkflow("the workflow holds no nodes")
        notes = tuple(_remarks(document, pointer))
        left_out = {note.extra["entry"] for note in notes}
        document = {node_id: node for node_id, node in document.items() if node_id not in left_out}
        for node_id, node in document.items():
            if not isinstance(node, Mapping):
                where = pointer + pointer_to(node_id)
                expected = "a node (an object with class_type)"
                if node_id == "nodes":
                    expected = f"a list of nodes (the editor's format) or {expected}"
                raise UnreadableWorkflow(f"{where}: expected {expected}, got {kind_of(node)}", pointer=where)
        try:
            nodes = _NODES.validate_python(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = pointer + pointer_to(*first["loc"])
            more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
            missing = first["type"] == "missing"
            what = (
                "is missing: it says what the node is" if missing else f"{first['msg']}, got {kind_of(first['input'])}"
            )
            message = f"{where}{' ' if missing else ': '}{what}{more}"
            raise UnreadableWorkflow(message, pointer=where) from error
        for node_id, node in nodes.items():
            for name, value in node.inputs.items():
                if type(value) in (dict, list) and is_deeper(value, MAX_DEPTH):
                    where = pointer + pointer_to(node_id, "inputs", name)
                    raise UnreadableWorkflow(f"{where}: nested more than {MAX_DEPTH} levels deep", pointer=where)
                if type(value) is list and (link := _numbered(value, nodes)) is not None:
                    node.inputs[name] = link
        prompt = cls(nodes, extra_pnginfo=extra, pointer=pointer)
        prompt.notes = notes
        prompt.schema = schema if isinstance(schema, str) else None
        return prompt

    def with_nodes(self, nodes: Mapping[str, PromptNode]) -> Self:
        """A copy with other nodes; everything else is shared."""
        changed = copy(self)
        changed.nodes = dict(nodes)
        return changed

    def reduced(self, nodes: Collection[str]) -> Self:
        """A copy without any other nodes than these."""
        return self.with_nodes({node_id: node for node_id, node in self.nodes.items() if node_id in nodes})

    def with_values(self, values: Mapping[tuple[str, str], Any]) -> Self:
        """A copy in which inputs, by node id and name, have other values; every other node is shared."""
        nodes = dict(self.nodes)
        for (node_id, name), value in values.items():
            node = nodes[node_id]
            nodes[node_id] = node.model_copy(update={"inputs": {**node.inputs, name: value}})
        return self.with_nodes(nodes)

    def replace(self, node_id: str, input_name: str, value: Any) -> Self:
        """A copy in which one input has another value."""
        return self.with_values({(node_id, input_name): value})

    def sent(self, now: datetime, choose: Callable[[int], int] | None = None) -> Self:
        """The prompt as it is sent at `now`; `choose` draws an option of every dynamic prompt anew.

        Only what the editor writes anew whenever it queues a workflow changes: nothing in a prompt of its own.
        """
        return self

    @property
    def shown(self) -> Mapping[str, Shown]:
        """The nodes by id that the editor shows, and the prompt only has the effects of."""
        return {}

    @property
    def typed(self) -> Mapping[tuple[str, str], Any]:
        """By node id and input name, the texts that are written anew whenever it is sent, as they were typed."""
        return {}

    @property
    def varies(self) -> bool:
        """Whether the next run is to differ from this one."""
        return any(control.changes for control in self.controls.values())

    def to_json(self) -> dict[str, Any]:
        """The prompt as it is sent, and as it stands in pictures: its nodes."""
        return {node_id: node.to_json() for node_id, node in self.nodes.items()}

    def dump(self) -> dict[str, Any]:
        """The document of a file: the nodes, below the `$schema` that it names."""
        named = {} if self.schema is None else {SCHEMA: self.schema}
        return {**named, **self.to_json()}

    def at(self, node_id: str, input_name: str | None = None) -> str:
        """The JSON pointer of a node or of one of its inputs."""
        return self.pointer + (pointer_to(node_id) if input_name is None else pointer_to(node_id, "inputs", input_name))


def _remarks(document: Mapping[Any, Any], pointer: str) -> Iterator[Issue]:
    """The entries beside a prompt's nodes that are none: they say of nothing that it is their class.

    An entry is meant as a node if it has inputs, if it is called by a number, as nodes are, or if a link leads to it.
    """
    strays = [(name, entry) for name, entry in document.items() if not is_node(entry)]
    if not strays or not is_prompt(document):
        return
    linked = {
        str(value[0])
        for node in document.values()
        if is_node(node) and isinstance(node.get("inputs"), Mapping)
        for value in node["inputs"].values()
        if isinstance(value, list) and value
    }
    for name, entry in strays:
        meant = not isinstance(name, str) or _ID.fullmatch(name) or name in linked
        if not meant and not (isinstance(entry, Mapping) and "inputs" in entry):
            message = f"{name!r} is no node ({kind_of(entry)} without class_type) and was left out"
            yield Issue("not_a_node", message, pointer=pointer + pointer_to(name), extra={"entry": name})


def _numbered(value: list[Any], nodes: Mapping[str, Any]) -> Link | None:
    """The link in which a node's id is written as a number, `[4, 0]`, if there is such a node."""
    if len(value) != 2 or type(value[0]) not in (int, float) or value[0] != value[0] or abs(value[0]) == math.inf:
        return None
    link = as_link([str(int(value[0])), value[1]])
    return link if link is not None and value[0] == int(value[0]) and link.node_id in nodes else None


def decoded(content: bytes, source: str) -> str:
    """The text of a JSON file: UTF-8, or UTF-16 or UTF-32 as some shells write it. Raises UnreadableWorkflow."""
    try:
        return content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableWorkflow(f"{source} is no text: {error.reason} at byte {error.start}") from error


def read_json(text: str, source: str, *, as_float: Callable[[str], float] | None = None) -> Any:
    """Parse JSON. Raises UnreadableWorkflow with line and column, for a key given twice, and for too deep a nesting.

    `as_float` makes a number of what has a point or an exponent.
    """
    if len(text) > MAX_BYTES:
        raise UnreadableWorkflow(f"{source} is larger than {MAX_BYTES:,} characters, the most that is read")
    if len(text) > MAX_PARTS and sum(map(text.count, "[{,")) > MAX_PARTS:
        raise UnreadableWorkflow(f"{source} has more than {MAX_PARTS:,} values, the most that is read")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_float=as_float)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        message = f"{source} is no JSON: {error.msg} at {place}"
        raise UnreadableWorkflow(message, at=(error.lineno, error.colno)) from error
    except RecursionError as error:
        raise UnreadableWorkflow(f"{source} is nested too deeply") from error
    except _DuplicateKey as error:
        from weft.engine.positions import repeated

        message = f"{source}: the key {error.args[0]!r} stands twice in one object"
        raise UnreadableWorkflow(message, at=repeated(text, error.args[0])) from error
    except ValueError as error:
        raise UnreadableWorkflow(f"{source} is no JSON that can be read: {error}") from error


class _DuplicateKey(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DuplicateKey(name)
            seen.add(name)
    return found
