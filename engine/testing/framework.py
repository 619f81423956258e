"""Workflows that say themselves what they test, as with the nodes of ComfyUI-test-framework: no golden is needed.

A definition node names the test, and says what it needs and how long it may take; an assertion node fails the run where
what it asserts does not hold. Packs say which classes are these (`weft.engine.schema.packs.SelfTests`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from weft.engine.errors import UnreadableWorkflow, UsageError, WeftError
from weft.engine.formats.sources import load
from weft.engine.schema.packs import Packs, SelfTests
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import MAX_BYTES, Prompt
from weft.engine.workflow.validation import constants

SECONDS = 120
"""How long a test may take, beside its own extraTime."""


@dataclass(frozen=True)
class Definition:
    """What a workflow says of itself as a test. `asserting` are the ids of its assertion nodes."""

    name: str = ""
    description: str = ""
    needs_gpu: bool = False
    seconds: float = SECONDS
    asserting: tuple[str, ...] = ()


class NeedsGpu(WeftError):
    """A test that requires a GPU, where none is used."""

    def __init__(self, definition: Definition, why: str) -> None:
        super().__init__(f"it requires a GPU, and {why}")
        self.definition = definition


def is_test(path: Path) -> bool:
    """Whether a JSON file holds a workflow with one of the nodes; also one that names them and is damaged.

    Most files are told by their text alone, without being parsed.
    """
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        text = path.read_bytes()
    except OSError:
        return False
    tests = _installed()
    named = {name.decode() for name in _mention(tests).findall(text)}
    # JSON of another kind may have a "type" of that name, if not of a definition.
    return bool(named) and carries(path, damaged=not named.isdisjoint(tests.definitions) or not _is_json(text))


@cache
def _installed() -> SelfTests:
    """Those of the installed packs: a folder is searched for them, file by file."""
    return Packs.installed().self_tests


@cache
def _mention(tests: SelfTests) -> re.Pattern[bytes]:
    names = "|".join(map(re.escape, sorted(tests.definitions | tests.assertions)))
    return re.compile(rb'"(?:class_)?type"\s*:\s*"(' + names.encode() + rb')"')


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def carries(path: Path, *, damaged: bool = False) -> bool:
    """Whether a file (a picture, ...) carries a workflow with one of the nodes; `damaged` where it cannot be read."""
    try:
        loaded = load(path)
    except UnreadableWorkflow:
        return damaged
    if isinstance(loaded, Prompt):
        classes = {node.class_type for node in loaded.nodes.values()}
    else:
        canvases = (loaded.canvas, *(canvas for _, canvas in loaded.definitions()))
        classes = {node.type for canvas in canvases for node in canvas.nodes}
    return not classes.isdisjoint(_installed().definitions | _installed().assertions)


def definition_of(prompt: Prompt, registry: Registry) -> Definition | None:
    """What a prompt says of itself as a test; None where it holds none of the nodes.

    Raises UsageError for two definitions. What validation will refuse counts as not given.
    """
    tests = registry.packs.self_tests
    found = [node_id for node_id, node in prompt.nodes.items() if node.class_type in tests.definitions]
    asserting = tuple(node_id for node_id, node in prompt.nodes.items() if node.class_type in tests.assertions)
    if not found and not asserting:
        return None
    if len(found) > 1:
        name = prompt.nodes[found[0]].class_type
        raise UsageError(f"it has {len(found)} {name} nodes (nodes {', '.join(found)}), expected one")
    if not found or prompt.nodes[found[0]].class_type not in registry:
        return Definition(asserting=asserting)
    node = prompt.nodes[found[0]]
    given = constants(node.inputs, registry[node.class_type])
    return Definition(
        name=given.get("name", "").strip(),
        description=given.get("description", "").strip(),
        needs_gpu=given.get("requiresGPU", False),
        seconds=SECONDS + max(given.get("extraTime", 0), 0),
        asserting=asserting,
    )


def passing(prompt: Prompt, definition: Definition, registry: Registry) -> list[str]:
    """The assertion nodes that pass on what they get: nothing may ask for that, and still they are to run."""
    tests = registry.packs.self_tests
    return [node_id for node_id in definition.asserting if prompt.nodes[node_id].class_type in tests.passing]
