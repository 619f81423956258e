"""`--set NODE.INPUT=VALUE`: change inputs of a prompt without touching its file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Boolean, Combo, Number, Socket, type_name
from weft.engine.workflow.prompt import Link, Prompt, Shown, as_link

Overrides = Mapping[str, Any] | Iterable[str]
"""`{"NODE.INPUT": value}`, or texts `NODE.INPUT=VALUE`."""


Changes = dict[tuple[str, str], Any]
"""Values by node id and input name."""


def apply(prompt: Prompt, overrides: Overrides, registry: Registry) -> Prompt:
    """The prompt with the overrides in place. Raises UsageError for a node or an input that is not there."""
    changes = resolve(prompt, overrides, registry)
    return prompt.with_values(changes) if changes else prompt


def resolve(prompt: Prompt, overrides: Overrides, registry: Registry) -> Changes:
    """The inputs that the overrides name, and their values as the inputs take them. Raises UsageError as `apply`."""
    if isinstance(overrides, str):
        raise UsageError(f"overrides: expected a list or a dict, got the text {overrides!r}", hint=f"[{overrides!r}]")
    items = overrides.items() if isinstance(overrides, Mapping) else [_split(text) for text in overrides]
    shown = prompt.shown if items else {}
    given: dict[str, dict[str, Any]] = {}
    for reference, value in items:
        for node_id, input_name in _inputs(prompt, reference, shown, registry):
            given.setdefault(node_id, {})[input_name] = value
    # All of a node's at once: what one of them chooses may decide which others there are.
    return {
        (node_id, name): value
        for node_id, values in given.items()
        for name, value in _values(prompt, node_id, values, registry)
    }


def inputs_named(prompt: Prompt, reference: str, registry: Registry) -> Sequence[tuple[str, str]]:
    """The inputs that `NODE.INPUT` names, by node id and name; whether its node has them is seen by `resolve`.

    Raises UsageError for a node that is not there.
    """
    return _inputs(prompt, reference, prompt.shown, registry)


def _inputs(
    prompt: Prompt, reference: str, shown: Mapping[str, Shown], registry: Registry
) -> Sequence[tuple[str, str]]:
    """The inputs that `NODE.INPUT` names: one, or those that a subgraph's widget sets. Inputs may have dots, too."""
    splits = [(reference[:dot], reference[dot + 1 :]) for dot in range(len(reference)) if reference[dot] == "."]
    splits = [split for split in reversed(splits) if all(split)]
    if not splits:
        raise UsageError(f"{reference!r} names no input", hint="NODE.INPUT, such as 5.seed")
    for node_reference, input_name in splits:
        try:
            node_id = _find(prompt, node_reference, registry, shown)
        except UsageError as error:
            if (node_reference, input_name) == splits[0]:
                first = error
            continue
        return (
            _shown_inputs(prompt, node_id, input_name, shown[node_id]) if node_id in shown else [(node_id, input_name)]
        )
    raise first


def _shown_inputs(prompt: Prompt, node_id: str, input_name: str, instance: Shown) -> Sequence[tuple[str, str]]:
    inner = [other for other in prompt.nodes if other.startswith(node_id + ":")]
    sources = instance.widgets.get(input_name, {})
    if len(sources) == 1:
        return next(iter(sources.values()))
    if sources:
        places = ", ".join(f"{other}.{name}" for inputs in sources.values() for other, name in inputs)
        raise UsageError(f"node {node_id} ({instance.title}) shows several widgets {input_name!r}", hint=places)
    inside = [f"{other}.{input_name}" for other in inner if input_name in prompt.nodes[other].inputs]
    names = ", ".join(instance.widgets) or "no widgets"
    hint = f"it shows {names}" + (f"; inside it: {', '.join(inside[:5] or inner[:5])}" if inner else "")
    raise UsageError(f"node {node_id} ({instance.title}) has no input {input_name!r} to set", hint=hint)


def find_node(prompt: Prompt, reference: str, registry: Registry) -> str:
    """The id of the node that `reference` names: an id, else a title, else a class_type, else a class's display name.

    `NAME#2` is the second of several in the order of the document. Raises UsageError with the candidates where the
    reference is ambiguous, with the nearest name where it fits nothing.
    """
    return _find(prompt, reference, registry, {})


def find_shown(prompt: Prompt, reference: str, registry: Registry) -> str:
    """The same; the nodes that the editor shows and no prompt has, those of subgraphs, are found too."""
    return _find(prompt, reference, registry, prompt.shown)


def _find(prompt: Prompt, reference: str, registry: Registry, shown: Mapping[str, Shown]) -> str:
    """The same among the nodes of subgraphs, too, which have an id and a title."""
    if reference in prompt.nodes or reference in shown:
        return reference
    every = [*prompt.nodes, *shown]
    kinds: tuple[Callable[[str], str | None], ...] = (
        lambda node_id: shown[node_id].title if node_id in shown else title_of(prompt, node_id, registry),
        lambda node_id: prompt.nodes[node_id].class_type if node_id in prompt.nodes else None,
        lambda node_id: _display_name(prompt, node_id, registry) if node_id in prompt.nodes else None,
    )

    def groups(name: str) -> Iterator[list[str]]:
        named = ([node_id for node_id in every if kind(node_id) == name] for kind in kinds)
        return (found for found in named if found)

    # A title may itself end in #2; so the whole reference is tried as a name first.
    for found in groups(reference):
        if len(found) > 1:
            places = ", ".join(f"{reference}#{place} (node {node_id})" for place, node_id in enumerate(found, 1))
            raise UsageError(f"{reference!r} is ambiguous: {places}")
        return found[0]
    name, number = reference, 0
    numbered = re.fullmatch(r"(.+)#(\d+)", reference)
    if numbered:
        name, number = numbered[1], int(numbered[2])
        counts = []
        for found in groups(name):
            if 1 <= number <= len(found):
                return found[number - 1]
            counts.append(len(found))
        if counts:
            raise UsageError(f"{reference!r}: the workflow has {max(counts)} of {name!r}, numbered from 1")
    names = {known for node_id in every for kind in kinds if (known := kind(node_id)) is not None} | set(every)
    raise UsageError(f"no node {reference!r} in the workflow", hint=did_you_mean(name, names))


def title_of(prompt: Prompt, node_id: str, registry: Registry) -> str:
    """What the editor shows above the node: its own title, else its class's display name."""
    node = prompt.nodes[node_id]
    return node.title if node.title is not None else _display_name(prompt, node_id, registry)


def _display_name(prompt: Prompt, node_id: str, registry: Registry) -> str:
    class_type = prompt.nodes[node_id].class_type
    found = registry.find(class_type)
    return found.schema.display_name if found is not None else class_type


def _split(text: str) -> tuple[str, str]:
    reference, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} sets nothing", hint="NODE.INPUT=VALUE, such as 5.seed=7")
    return reference.strip(), value


def _values(prompt: Prompt, node_id: str, values: Mapping[str, Any], registry: Registry) -> Iterator[tuple[str, Any]]:
    """What is given to the inputs of one node, as these take it."""
    node = prompt.nodes[node_id]
    if node.class_type not in registry:
        yield from values.items()  # validation reports the class; the values need no care then
        return
    schema = registry[node.class_type]
    declared = {**schema.by_name, **schema.given({**node.inputs, **values})}
    for input_name, value in values.items():
        spec = declared.get(input_name)
        if spec is None:
            hint = did_you_mean(input_name, declared)
            raise UsageError(f"node {node_id} ({node.class_type}) has no input {input_name!r}", hint=hint)
        link = as_link(value)
        text = link is None and isinstance(value, str)
        yield input_name, _read(f"{node_id}.{input_name}", spec.socket, value) if text else link or value


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _read(place: str, socket: Socket, text: str) -> Any:
    """A value written as text, in the input's type: text stays as it is, a link is `["4", 0]`."""
    if not socket.is_widget:
        link = _link(text)
        if link is None and socket.io_type != "*":
            expected = f'a link such as ["4", 0], since it takes {type_name(socket.io_type)}'
            raise UsageError(f"{place}: expected {expected}, got {text!r}")
        return text if link is None else link
    if isinstance(socket, Boolean):
        if text.strip().lower() not in _TRUTH:
            raise UsageError(f"{place}: expected true or false, got {text!r}")
        return _TRUTH[text.strip().lower()]
    if isinstance(socket, Number):
        try:
            return socket.coerce(text)
        except (ValueError, OverflowError) as error:
            raise UsageError(f"{place}: expected {socket.io_type}, got {text!r}") from error
    if isinstance(socket, Combo):
        # Choices can be numbers; those that are text are found as they are.
        return next((choice for choice in socket.choices or () if str(choice) == text), text)
    return text


def _link(text: str) -> Link | None:
    """`["4", 0]`, also written `[4, 0]`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value and type(value[0]) is int:
        value[0] = str(value[0])
    return as_link(value)
