"""The node classes of a registry as a typed Graph: what an editor completes, and what a type checker holds a call to.

The type of a link is a class of its own, `GraphSource[MODEL]`; choices are Literals, those of folders are texts, ranges
are said in an Annotated. A class whose name is none in Python is called through `graph["NAME"]`, by an overload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from inspect import Parameter
from typing import Any

from weft.engine.building.calls import UNFOLDING, attributes, is_name, is_open, parameters
from weft.engine.building.graph import Graph
from weft.engine.building.nodes import RESERVED
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import (
    MATCH_TYPE,
    Autogrow,
    Boolean,
    Combo,
    DynamicCombo,
    Float,
    Int,
    IoType,
    Listed,
    Number,
    Socket,
    String,
    type_name,
)

MODULE = "weft_nodes"
"""What `weft stubs` calls the module that it writes."""

_HEAD = '''"""weft.Graph as an editor and a type checker see it: the node classes that are installed.

Written by `weft stubs`; what is changed here is lost.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypedDict, Unpack, overload

from weft.engine.building.graph import Graph as _Graph
from weft.engine.building.nodes import GraphNode, GraphOutput, GraphSource, SoleNode

class _About(TypedDict, total=False):
    _id: str | int | None
    _title: str | None
    _meta: Mapping[str, Any] | None
    _as_is: object
'''
_WORDS = frozenset(re.findall(r"\w+", _HEAD)) | frozenset(name for name in dir(Graph) if not name.startswith("__"))
"""Names that mean something else in the stub, or of a Graph: a class that is called so is had by `graph["NAME"]`."""

_PLAIN: Mapping[type[Socket], str] = {Int: "int", Float: "float", String: "str", Boolean: "bool"}
_PYTHON = {"INT": "int", "FLOAT": "float", "STRING": "str", "BOOLEAN": "bool"}
_MOST_CHOICES = 2000


def stub_of(registry: Registry) -> str:
    """The text of a .pyi file with a class `Graph` that has every node class of the registry."""
    schemas = sorted(
        (one for one in registry.schemas(lambda _: None) if not one.internal), key=lambda one: one.class_type
    )
    opened = (one.class_type for one in schemas if (found := registry.find(one.class_type)) and is_open(found))
    return _Stub(schemas, opened).text()


def module_of(settings: Mapping[str, Any]) -> str:
    """The text of the .py file beside it: a Graph that knows the packs that `settings` name."""
    given = {name: value for name, value in settings.items() if value}
    return f'''"""weft.Graph with the classes of your packs: `from {MODULE} import Graph`. Written by `weft stubs`."""

from typing import Any

import weft

SETTINGS: dict[str, Any] = {given!r}


class Graph(weft.Graph):
    """A weft.Graph that knows the packs of SETTINGS."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{{**SETTINGS, **settings}})
'''


class _Stub:
    """Collects what the methods have in common: types of links, lists of choices, what nodes give."""

    def __init__(self, schemas: Iterable[NodeSchema], opened: Iterable[str]) -> None:
        self.schemas = list(schemas)
        self.opened = frozenset(opened)
        self.names = set(_WORDS) | {one.class_type for one in self.schemas}
        self.types: dict[str, str] = {}
        self.choices: dict[tuple[Any, ...], str] = {}
        self.results: dict[tuple[tuple[str, str], ...], str] = {}

    def text(self) -> str:
        methods: list[str] = []
        callables: list[str] = []
        overloads: list[str] = []
        for schema in self.schemas:
            if is_name(schema.class_type) and not schema.class_type.startswith("_") and schema.class_type not in _WORDS:
                methods.append(self.method(schema, schema.class_type))
            else:
                name = self.unique("_" + re.sub(r"\W+", "_", schema.class_type).strip("_"))
                callables.append(f"class {name}(Protocol):\n{self.method(schema, '__call__')}")
                overloads.append(_overload(f"Literal[{_quoted(schema.class_type)}]", name))
        if overloads:
            overloads.append(_overload("str", "Any"))
        types = "".join(f"class {name}: ...\n" for name in sorted(self.types.values()))
        choices = "".join(
            f"{name} = Literal[\n{''.join(map(_row, values))}]\n" for values, name in self.choices.items()
        )
        results = "\n".join(self.result(name, outputs) for outputs, name in self.results.items())
        whole = "class Graph(_Graph):\n" + "".join(overloads) + "".join(methods or overloads or ["    ...\n"])
        parts = [_HEAD, types, choices, results, *callables, whole]
        return "\n".join(part for part in parts if part)

    def method(self, schema: NodeSchema, name: str) -> str:
        specs = schema.by_name
        lines, starred = [], False
        for each in parameters(schema):
            if each.kind is Parameter.KEYWORD_ONLY and not starred:
                lines.append("*")
                starred = True
            spec = specs[each.name]
            lines.append(f"{each.name}: {self.kind(spec, each.default)}{_default(spec.socket, each.default)}")
        open_ended = any(isinstance(spec.socket, UNFOLDING) or not is_name(spec.name) for spec in specs.values())
        lines.append("**_more: Any" if open_ended or schema.class_type in self.opened else "**_about: Unpack[_About]")
        arguments = "".join(f"        {line},\n" if "**" not in line else f"        {line}\n" for line in lines)
        words = " ".join(schema.description.split())
        says = f"        {_docstring(words)}\n" if words else "        ...\n"
        return f"    def {name}(\n        self,\n{arguments}    ) -> {self.gives(schema)}:\n{says}"

    def gives(self, schema: NodeSchema) -> str:
        outputs = schema.declared
        if not outputs:
            return "GraphNode"
        kinds = [self.link(output.io_type) for output in outputs]
        found = tuple(zip(attributes(outputs, RESERVED), kinds, strict=True))
        if found not in self.results:
            base = "_" + "_".join(name for name, _ in found[:4])
            self.results[found] = self.unique(base if len(found) <= 4 else f"{base}_and_{len(found) - 4}_more")
        return self.results[found]

    def result(self, name: str, outputs: tuple[tuple[str, str], ...]) -> str:
        base = f"SoleNode[{outputs[0][1]}]" if len(outputs) == 1 else "GraphNode"
        return f"class {name}({base}):\n" + "".join(f"    {each}: GraphOutput[{kind}]\n" for each, kind in outputs)

    def kind(self, spec: InputSpec, default: Any) -> str:
        said = self.takes(spec.socket)
        return f"{said} | None" if default is None and said != "Any" else said

    def takes(self, socket: Socket) -> str:
        """The type of what an input of this socket is given."""
        if isinstance(socket, Autogrow):
            item = self.takes(socket.item)
            return f"Sequence[{item}] | Mapping[str, {item}]"
        values = [] if socket.options.get("forceInput") else list(self.values(socket))
        kinds = list(dict.fromkeys([*values, *self.sources(socket.accepts)]))
        return "Any" if "Any" in kinds else " | ".join(kinds)

    def values(self, socket: Socket) -> Iterator[str]:
        """What may be written into the widget."""
        if isinstance(socket, Listed):
            yield "str"
        elif isinstance(socket, DynamicCombo):
            yield from (self.literal(socket), "Mapping[str, Any]")
        elif isinstance(socket, Combo):
            yield "Any" if socket.options.get("multiselect") or socket.choices is None else self.literal(socket)
        elif isinstance(socket, Number):
            low, high = socket.options.get("min"), socket.options.get("max")
            kind = _PLAIN[Int if isinstance(socket, Int) else Float]
            yield f'Annotated[{kind}, "{low} to {high}"]' if low is not None and high is not None else kind
        elif type(socket) in _PLAIN:
            yield _PLAIN[type(socket)]
        elif socket.is_widget or socket.accepts == "*":
            yield "Any"
        elif socket.takes_values and isinstance(socket.accepts, str):
            yield from (_PYTHON[part] for part in socket.accepts.split(",") if part in _PYTHON)

    def literal(self, socket: Combo) -> str:
        choices = tuple(dict.fromkeys(socket.choices or ()))
        if (
            not choices
            or len(choices) > _MOST_CHOICES
            or not all(isinstance(each, str | bool | int) for each in choices)
        ):
            return "Any"
        key = tuple((type(each), each) for each in choices)
        values = tuple(each for _, each in key)
        if values not in self.choices:
            first = re.sub(r"\W+", "_", str(choices[0])).strip("_")[:24] or "choice"
            self.choices[values] = self.unique(
                f"_{first}_or_{len(choices) - 1}_more" if len(choices) > 1 else f"_{first}"
            )
        return self.choices[values]

    def sources(self, accepts: IoType) -> Iterator[str]:
        """What may be linked to it."""
        parts = accepts.split(",") if isinstance(accepts, str) else ["COMBO"]
        yield from (f"GraphSource[{self.link(part.strip())}]" for part in parts)

    def link(self, io_type: IoType) -> str:
        """The class that stands for a type of link."""
        name = type_name(io_type)
        if name in ("*", MATCH_TYPE) or "," in name:
            return "Any"
        if name not in self.types:
            plain = re.sub(r"\W+", "_", name).strip("_") or "TYPE"
            self.types[name] = self.unique(plain if is_name(plain) else f"T_{plain}")
        return self.types[name]

    def unique(self, name: str) -> str:
        found, number = name, 1
        while found in self.names:
            number += 1
            found = f"{name}_{number}"
        self.names.add(found)
        return found


def _overload(name: str, gives: str) -> str:
    return f"    @overload\n    def __getitem__(self, name: {name}) -> {gives}: ...\n"


def _row(choice: Any) -> str:
    return f"    {_quoted(choice)},\n"


def _default(socket: Socket, value: Any) -> str:
    """What stands behind the type: the default, where it is short and of that type."""
    if value is Parameter.empty:
        return ""
    kinds = (str,) if isinstance(socket, Combo) else _KINDS.get(type(socket), ())
    said = value is None or (type(value) in kinds and len(repr(value)) <= _LONGEST_DEFAULT)
    if said and isinstance(socket, Combo) and value is not None and not isinstance(socket, Listed):
        said = value in (socket.choices or ())
    return f" = {_quoted(value)}" if said else " = ..."


_KINDS: Mapping[type[Socket], tuple[type, ...]] = {Int: (int,), Float: (int, float), String: (str,), Boolean: (bool,)}
_LONGEST_DEFAULT = 40


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _docstring(text: str) -> str:
    return '"""' + text.replace("\\", "\\\\").replace('"""', "'''").removesuffix('"') + '"""'
