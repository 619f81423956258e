"""Mistakes of every kind that a JSON Schema can see, planted into a prompt one at a time.

`KINDS` are functions: each changes a prompt, and says where, or returns None where the prompt has no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from weft.engine.schema.node import InputSpec
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Boolean, Combo, DynamicCombo, Float, Int, Listed, Socket, String

Json = dict[str, Any]
Place = tuple[str, ...]
Plant = Callable[[Json, Registry], Place | None]
KINDS: dict[str, Plant] = {}


def inputs(prompt: Json, registry: Registry) -> Iterator[tuple[str, InputSpec]]:
    """The declared inputs that the nodes of a prompt give, with their ids."""
    for node_id, node in prompt.items():
        # Of what is meaningless, nothing is asked.
        if registry[node["class_type"]].given(node["inputs"]) and not registry.find(node["class_type"]).options.unused:
            given = registry[node["class_type"]].given(node["inputs"])
            yield from ((node_id, given[name]) for name in node["inputs"] if name in given)


def node_kind(name: str, change: Callable[[Json], Any]) -> None:
    """A kind that is about a node, which `change` spoils, or replaces by what it returns."""

    def plant(prompt: Json, registry: Registry) -> Place:
        node_id = next(id_ for id_, node in prompt.items() if "required" in {
            spec.section for spec in registry[node["class_type"]].by_name.values()
        })  # fmt: skip
        found = change(prompt[node_id])
        if found is not None:
            prompt[node_id] = found[0]
        return (node_id,)

    KINDS[name] = plant


def value_kind(name: str, fits: Callable[[Socket], bool], spoil: Callable[[Socket], Any]) -> None:
    """A kind that is about the value of an input."""

    def plant(prompt: Json, registry: Registry) -> Place | None:
        for node_id, spec in inputs(prompt, registry):
            if fits(spec.socket):
                prompt[node_id]["inputs"][spec.name] = spoil(spec.socket)
                return (node_id, "inputs", spec.name)
        return None

    KINDS[name] = plant


def missing_kind(name: str, fits: Callable[[InputSpec], bool], stray: Callable[[str], str] | None = None) -> None:
    """A kind that takes a required input away, or gives it another name."""

    def plant(prompt: Json, registry: Registry) -> Place | None:
        for node_id, spec in inputs(prompt, registry):
            if spec.section == "required" and fits(spec):
                value = prompt[node_id]["inputs"].pop(spec.name)
                if stray is not None:
                    prompt[node_id]["inputs"][stray(spec.name)] = value
                return (node_id, "inputs")
        return None

    KINDS[name] = plant


def _plain(kind: type[Socket]) -> Callable[[Socket], bool]:
    return lambda socket: isinstance(socket, kind) and not socket.options.get("forceInput")


def _with(kind: type[Socket], option: str) -> Callable[[Socket], bool]:
    return lambda socket: isinstance(socket, kind) and option in socket.options


def _choices(socket: Socket) -> bool:
    return isinstance(socket, Combo) and bool(socket.choices) and not isinstance(socket, Listed)


def _linked(socket: Socket) -> bool:
    return not socket.takes_values


def _undeclared(node: Json) -> None:
    node["inputs"]["no_such_input"] = 7


node_kind("no class", lambda node: node.pop("class_type") and None)
node_kind("a misspelt class", lambda node: node.update(class_type=node["class_type"] + "x"))
node_kind("a class in other letters", lambda node: node.update(class_type=node["class_type"].swapcase()))
node_kind("a number for a class", lambda node: node.update(class_type=3))
node_kind("null for a class", lambda node: node.update(class_type=None))
node_kind("a list for a node", lambda node: ([node],))
node_kind("a text for a node", lambda node: (node["class_type"],))
node_kind("no inputs", lambda node: node.pop("inputs") and None)
node_kind("a list of inputs", lambda node: node.update(inputs=[node["inputs"]]))
node_kind("null for inputs", lambda node: node.update(inputs=None))
node_kind("a text for _meta", lambda node: node.update(_meta="title"))
node_kind("an input that no class has", _undeclared)
missing_kind("a link is missing", lambda spec: _linked(spec.socket))
missing_kind("a value is missing", lambda spec: spec.socket.is_widget)
missing_kind("an input in other letters", lambda spec: spec.socket.is_widget, str.upper)
missing_kind("a misspelt input", lambda spec: isinstance(spec.socket, Int), lambda name: name + "s")
missing_kind("what a choice brings is missing", lambda spec: "." in spec.name and spec.socket.is_widget)
missing_kind("the first of a row is missing", lambda spec: "." in spec.name and not spec.socket.is_widget)
for words, value in {
    "a word": "many", "a numeral": "20", "a fraction": 20.5, "true": True, "null": None, "a bare list": [1, 2, 3],
    "an object": {"value": 3}, "a wrapped list": {"__value__": [1]},
}.items():  # fmt: skip
    value_kind(f"{words} for a whole number", _plain(Int), lambda socket, value=value: value)
value_kind("a whole number below its least", _with(Int, "min"), lambda socket: socket.options["min"] - 1)
value_kind("a whole number above its most", _with(Int, "max"), lambda socket: socket.options["max"] * 2 + 1)
value_kind(
    "a whole number between two steps",
    lambda socket: (
        isinstance(socket, Int)
        and socket.options.get("step", 1) > 1
        and socket.options["min"] % socket.options["step"] == 0
    ),
    lambda socket: socket.options["min"] + 1,
)
value_kind("a word for a number", _plain(Float), lambda socket: "much")
value_kind("null for a number", _plain(Float), lambda socket: None)
value_kind("a number below its least", _with(Float, "min"), lambda socket: socket.options["min"] - 1)
value_kind("a number above its most", _with(Float, "max"), lambda socket: socket.options["max"] * 2 + 1)
value_kind("a misspelt choice", _choices, lambda socket: f"{socket.choices[0]}x")
value_kind("a choice by its number", _choices, lambda socket: 1)
value_kind("null for a choice", _choices, lambda socket: None)
value_kind("a choice that brings nothing known", _plain(DynamicCombo), lambda socket: "other")
value_kind("a number for a text", _plain(String), lambda socket: 3)
value_kind("null for a text", _plain(String), lambda socket: None)
value_kind("a number for the name of a file", lambda socket: isinstance(socket, Listed), lambda socket: 3)
value_kind("a word for yes or no", _plain(Boolean), lambda socket: "false")
value_kind("a number for yes or no", _plain(Boolean), lambda socket: 0)
value_kind("a value for a link", _linked, lambda socket: 1.0)
value_kind("the id alone for a link", _linked, lambda socket: "4")
value_kind("a link as an object", _linked, lambda socket: {"id": "4", "slot": 0})
for words, value in {
    "of one part": ["4"], "of three parts": ["4", 0, 0], "by a number": [4, 0], "to an output by name": ["4", "MODEL"],
    "to an output below 0": ["4", -1], "to half an output": ["4", 0.5], "the wrong way round": [0, "4"],
}.items():  # fmt: skip
    value_kind(f"a link {words}", _linked, lambda socket, value=value: value)
    value_kind(f"a value as a link {words}", _plain(Float), lambda socket, value=value: value)
