"""What changes from one run of a prompt to the next, as when the editor queues a workflow several times: seeds by their
control words, dynamic prompts by chance. `--seed` gives every seed of a prompt a control word, or a number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.formats.controls import ControlWord, SeedControl, next_seed
from weft.engine.formats.widgets import MISSING, SEED_NAMES, has_control
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int
from weft.engine.workflow.prompt import Link, Prompt

Random = Callable[[], float]
"""Gives floats in [0, 1)."""

_WORDS = {"random": ControlWord.RANDOMIZE, **{word.value: word for word in ControlWord}}


def advance(prompt: Prompt, registry: Registry, random: Random) -> Prompt:
    """The prompt of the next run: every control word applied once, dynamic prompts drawn anew.

    Inputs that share a place get the same value.
    """
    held = {
        (node_id, name): value
        for node_id, name in prompt.controls
        if node_id in prompt.nodes
        and type(value := prompt.nodes[node_id].inputs.get(name, MISSING)) is not Link
        and value is not MISSING
    }
    drawn: dict[str, Any] = {}
    for (node_id, name), value in held.items():
        control = prompt.controls[node_id, name]
        if control.changes and control.place not in drawn:
            node = prompt.nodes[node_id]
            spec = registry[node.class_type].given(node.inputs)[name]
            drawn[control.place] = next_seed(value, control.word, spec, random)
    values = {key: drawn[place] for key in held if (place := prompt.controls[key].place) in drawn}
    return prompt.with_values(values).sent(datetime.now(), _chooser(random))


def with_seed(
    prompt: Prompt, registry: Registry, seed: str | int, random: Random, *, keep: Collection[tuple[str, str]] = ()
) -> Prompt:
    """The first of several runs in which `seed` says what every seed is.

    Args:
        prompt: In any format.
        registry: The node classes.
        seed: `random`: drawn, in the first run too, as are dynamic prompts; `increment`, `decrement`: from what they
            are; `fixed`; or a number: the first run's, which then counts up.
        random: What is asked where something is drawn.
        keep: Inputs that stay as they are in every run.

    Seeds that are equal stay equal. Raises UsageError for another word, or where the prompt has no seed.
    """
    word = seed if isinstance(seed, ControlWord | int) else _read(seed)
    found = seeds(prompt, registry)
    if not found:
        raise UsageError("the workflow has no seed", hint="leave --seed away")
    control = ControlWord.INCREMENT if type(word) is int else word
    assert isinstance(control, ControlWord)
    changed = prompt.with_nodes(prompt.nodes)
    changed.controls = {
        **prompt.controls,
        **{key: SeedControl(control, repr(value)) for key, value in found.items()},
        **{key: SeedControl(ControlWord.FIXED, "") for key in keep if key in found},
    }
    if type(word) is int:
        return changed.with_values({key: word for key in found if key not in keep})
    return advance(changed, registry, random) if control is ControlWord.RANDOMIZE else changed


def seeds(prompt: Prompt, registry: Registry) -> dict[tuple[str, str], Any]:
    """The numbers that are seeds, by node id and input: by their name, or by the name of the input that they feed."""
    feeding = {
        link.node_id for node in prompt.nodes.values() for name, link in node.links if name in SEED_NAMES
    }  # fmt: skip
    return {
        (node_id, name): value
        for node_id, name, value, is_named in _controlled(prompt, registry)
        if is_named or node_id in feeding
    }


def controlled(prompt: Prompt, registry: Registry) -> dict[tuple[str, str], Any]:
    """The values that a control word may follow, and those that are called seeds, by node id and input."""
    return {(node_id, name): value for node_id, name, value, _ in _controlled(prompt, registry)}


def _controlled(prompt: Prompt, registry: Registry) -> Iterator[tuple[str, str, Any, bool]]:
    for node_id, node in prompt.nodes.items():
        if node.class_type not in registry:
            continue
        by_name = registry[node.class_type].given(node.inputs)
        for name, value in node.inputs.items():
            if name in by_name and type(value) is not Link:
                spec = by_name[name]
                is_named = name in SEED_NAMES and isinstance(spec.socket, Int)
                if is_named or has_control(spec):
                    yield node_id, name, value, is_named


def _read(text: str) -> ControlWord | int:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return int(text)
    except ValueError:
        expected = "random, increment, decrement, fixed or a whole number"
        raise UsageError(f"seed: expected {expected}, got {text!r}", hint=did_you_mean(text, _WORDS)) from None


def _chooser(random: Random) -> Callable[[int], int]:
    return lambda count: min(int(random() * count), count - 1)
