"""Prompt -> Prompt, for each run: values that stand for others are resolved, as the browser does when it queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from weft.engine.errors import Issue
from weft.engine.schema.registry import Registry
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import constants

Constants = Mapping[str, Mapping[str, Any]]
"""The constants that nodes had, by node id."""

Resolve = Callable[..., Mapping[str, Any]]
"""What a class gives as `queued`: `weft.engine.schema.node.NodeOptions`."""


def queued(prompt: Prompt, registry: Registry, last: Constants, random: Callable[[], float]) -> Prompt:
    """The prompt of one run; what was resolved is told in its notes. A prompt without such a class comes back as it is.

    `last` is what `resolving` gave for the prompt of the run before; `random` gives floats in [0, 1).
    """
    values: dict[tuple[str, str], Any] = {}
    notes: list[Issue] = []
    for node_id, resolve, given in _resolving(prompt, registry):
        node = prompt.nodes[node_id]
        for name, value in resolve(given, last.get(node_id, {}), random).items():
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
    return {node_id: given for node_id, _, given in _resolving(prompt, registry)}


def _resolving(prompt: Prompt, registry: Registry) -> Iterator[tuple[str, Resolve, Mapping[str, Any]]]:
    """The nodes that have values to be resolved: id, what resolves them, and the node's constants."""
    for node_id, node in prompt.nodes.items():
        found = registry.find(node.class_type)
        if found is not None and found.options.queued is not None:
            yield node_id, found.options.queued, constants(node.inputs, found.schema)


def with_changes(prompt: Prompt, before: Mapping[str, Any], after: Any, failed: Sequence[str]) -> Prompt:
    """The prompt with the constants that are others in `after`; what else differs there is told, and not done."""
    notes = [Issue("prompt_handler", f"a pack's handler of prompts failed: {why}") for why in failed]
    same = isinstance(after, Mapping) and before.keys() == after.keys()
    changes: dict[tuple[str, str], Any] = {}
    for node_id, node in before.items() if same else ():
        inputs = after[node_id].get("inputs", {})
        same = (
            same and node["class_type"] == after[node_id].get("class_type") and node["inputs"].keys() <= inputs.keys()
        )
        for name, value in inputs.items():
            if value != node["inputs"].get(name):
                same = same and not isinstance(value, list) and not isinstance(node["inputs"].get(name), list)
                changes[node_id, name] = value
    if not same:
        message = "a pack's handler of prompts changes its nodes or links, which is not carried out"
        notes, changes = [*notes, Issue("prompt_handler", message)], {}
    for (node_id, name), value in changes.items():
        message = f"{name} is set by a pack: {value!r:.80}"
        notes.append(Issue("resolved_value", message, node_id=node_id, class_type=prompt.nodes[node_id].class_type))
    if not notes:
        return prompt
    found = prompt.with_values(changes)
    found.notes = (*found.notes, *notes)
    return found
