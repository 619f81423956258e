"""Prompt -> Prompt, for each run: values that stand for others are resolved, as the browser does when it queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import Issue
from engine.overrides import title_of
from engine.prompt import Prompt
from engine.registry import Registry
from engine.validation import constants

Constants = Mapping[str, Mapping[str, Any]]
"""The constants that nodes had, by node id."""


def queued(prompt: Prompt, registry: Registry, last: Constants, random: Callable[[], float]) -> Prompt:
    """The prompt of one run; what was resolved is told in its notes. A prompt without such a class comes back as it is.

    `last` is what `resolving` gave for the prompt of the run before; `random` gives floats in [0, 1).
    """
    values: dict[tuple[str, str], Any] = {}
    notes: list[Issue] = []
    for node_id, given in resolving(prompt, registry).items():
        node = prompt.nodes[node_id]
        implementation = registry[node.class_type].implementation
        assert implementation is not None
        assert implementation.queued is not None
        for name, value in implementation.queued(given, last.get(node_id, {}), random).items():
            values[node_id, name] = value
            message = f"{name} {node.inputs[name]} stands for another value in each run: here it is {value}"
            title = title_of(prompt, node_id, registry)
            notes.append(Issue("resolved_value", message, node_id=node_id, class_type=node.class_type, title=title))
    if not values:
        return prompt
    found = prompt.with_values(values)
    found.notes = (*found.notes, *notes)
    return found


def resolving(prompt: Prompt, registry: Registry) -> Constants:
    """The constants of the nodes that have values to be resolved; after a run, what the next one may depend on."""
    found = {}
    for node_id, node in prompt.nodes.items():
        if node.class_type in registry:
            schema = registry[node.class_type]
            if schema.implementation is not None and schema.implementation.queued is not None:
                found[node_id] = constants(node.inputs, schema)
    return found
