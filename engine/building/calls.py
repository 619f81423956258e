"""What may be given when a node is made by a call, and the inputs that come of it."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

from weft.engine.documents import kind_of
from weft.engine.errors import UsageError, did_you_mean
from weft.engine.formats.widgets import MISSING, default_of, is_widget
from weft.engine.schema.frontend import EDITORS_OWN
from weft.engine.schema.node import DescribedNode, InputSpec, NodeSchema, OutputSpec, RunnableNode
from weft.engine.schema.sockets import Autogrow, DynamicCombo, DynamicSlot, Socket, type_name
from weft.engine.workflow.prompt import Link, wrapped

ABOUT = ("_id", "_title", "_meta", "_as_is")
"""What a call says of the node itself: names of inputs do not begin so."""

UNFOLDING = (Autogrow, DynamicCombo, DynamicSlot)


def is_name(text: str) -> bool:
    """Whether Python takes the text as the name of an argument or an attribute."""
    return text.isidentifier() and not keyword.iskeyword(text)


def parameters(schema: NodeSchema) -> Iterator[Parameter]:
    """The inputs of a class as parameters, in its order; an input whose name is no name in Python is left out.

    Those that must be given and stand after one that has a default can be given by name alone, and so can all that
    follow them: as Python has it, so that a type checker agrees with the call.
    """
    by_place, has_default = True, False
    for spec in schema.by_name.values():
        default = default_in_call(spec)
        if not is_name(spec.name) or (default is Parameter.empty and has_default):
            by_place = False
        if is_name(spec.name):
            has_default |= default is not Parameter.empty
            kind = Parameter.POSITIONAL_OR_KEYWORD if by_place else Parameter.KEYWORD_ONLY
            yield Parameter(spec.name, kind, default=default, annotation=type_name(spec.socket.accepts))


def default_in_call(spec: InputSpec) -> Any:
    """What stands for an input that a call does not give: a widget's value, None for no link; `Parameter.empty`."""
    if is_widget(spec) and (default := default_of(spec.socket)) is not MISSING:
        return default
    grows = isinstance(spec.socket, Autogrow) and not spec.socket.least
    return None if spec.section == "optional" or grows else Parameter.empty


def signature_of(schema: NodeSchema) -> Signature:
    """How the class is called, for `help()`."""
    return Signature([*parameters(schema), Parameter("_more", Parameter.VAR_KEYWORD)])


def attributes(outputs: Iterable[OutputSpec], taken: Iterable[str]) -> list[str]:
    """The attributes that a node's outputs are, in small letters: `model`, `conditioning_plus`, `string_2`.

    None is among `taken`, which the node has for itself.
    """
    found: list[str] = []
    seen = set(taken)
    for output in outputs:
        name = re.sub(r"[+-]$", lambda end: "_plus" if end[0] == "+" else "_minus", output.name.lower())
        name = re.sub(r"\W+", "_", name).strip("_") or "output"
        name = name if is_name(name) else f"_{name}" if name[0].isdigit() else f"{name}_"
        number, base = 1, name
        while name in seen:
            number += 1
            name = f"{base}_{number}"
        seen.add(name)
        found.append(name)
    return found


def by_name(schema: NodeSchema, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """What a call gives, by the names of inputs; None is left out. Raises UsageError.

    A row that grows is a list or a mapping, `images=[a, b]`; a choice or a slot with inputs of its own is itself, or a
    mapping of it and of them: `method={"method": "scale", "width": 5}`.
    """
    places = [each.name for each in parameters(schema) if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    if len(positional) > len(places):
        rest = [each.name for each in parameters(schema) if each.kind is Parameter.KEYWORD_ONLY]
        hint = f"by name: {', '.join(rest)}" if rest else ""
        listed = f" ({', '.join(places)})" if places else ""
        message = f"{schema.class_type} takes {len(places)} inputs by position{listed}, got {len(positional)}"
        raise UsageError(message, hint=hint)
    given = dict(zip(places, positional, strict=False))
    for name in named:
        if name in given:
            raise UsageError(f"{schema.class_type}: {name} is given twice, by position and by name")
    found: dict[str, Any] = {}
    for name, value in {**given, **named}.items():
        spec = schema.by_name.get(name)
        parts = _unfolded(name, spec.socket, value) if spec is not None and isinstance(spec.socket, UNFOLDING) else None
        found |= {name: value} if parts is None else parts
    return {name: value for name, value in found.items() if value is not None}


def _unfolded(name: str, socket: Socket, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        own = "" if isinstance(socket, Autogrow) else name
        return {name if key == own else f"{name}.{key}": part for key, part in value.items()}
    if not isinstance(socket, Autogrow) or value is None:
        return {name: value}
    if not isinstance(value, list | tuple):
        raise UsageError(f"{name}: expected a list of outputs, got {_kind(value)}", hint=f"{name}=[...]")
    if len(value) > len(socket.names):
        raise UsageError(f"{name}: expected at most {len(socket.names)} of them, got {len(value)}")
    return {f"{name}.{part}": each for part, each in zip(socket.names, value, strict=False)}


def with_defaults(schema: NodeSchema, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs in the order of the class, with the value that a widget has which is given none."""
    found = dict(inputs)
    while True:
        declared = schema.given(found)
        absent = [spec for name, spec in declared.items() if name not in found and is_widget(spec)]
        defaults = {spec.name: wrapped(value) for spec in absent if (value := default_of(spec.socket)) is not MISSING}
        if not defaults:
            return {name: found[name] for name in declared if name in found} | found
        found |= defaults


def strays(node: RunnableNode | DescribedNode, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The inputs that the class does not have, and which one was probably meant."""
    declared = node.schema.given(inputs)
    for name, value in inputs.items():
        known = name in declared or name in node.schema.names or node.options.claimed(name) is not None
        known |= name in EDITORS_OWN
        if not known and not (type(value) is Link and _takes_rest(node)):
            yield name, did_you_mean(name, {**declared, **node.schema.by_name})


def is_open(node: RunnableNode | DescribedNode) -> bool:
    """Whether the class takes inputs, links or values, that it does not declare."""
    return node.options.claims is not None or _takes_rest(node)


def _takes_rest(node: RunnableNode | DescribedNode) -> bool:
    return isinstance(node, RunnableNode) and node.rest


def constant(name: str, value: Any, linked: Callable[[str, Any], Link | None]) -> Any:
    """A value as a prompt has it: plain JSON data. `linked` says of anything else whether it is a link."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if (link := linked(name, value)) is not None:
        return link
    if isinstance(value, Mapping):
        return {str(key): constant(name, part, _refused) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [constant(name, part, _refused) for part in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():  # a number of an array library
        return constant(name, item(), _refused)
    raise UsageError(f"{name}: expected a value or an output of a node, got {_kind(value)}")


def _refused(name: str, value: Any) -> Link | None:
    return None


def _kind(value: Any) -> str:
    kind = kind_of(value)
    return f"{kind} {value!r:.60}" if isinstance(value, str | int | float) else kind
