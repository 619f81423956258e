"""A prompt as it is compared: values by what they mean, not by how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Link, Prompt
from weft.engine.workflow.validation import constants

MODEL_FILE = re.compile(r"\.(safetensors|sft|ckpt|pt|pth|bin|gguf)$", re.IGNORECASE)


@dataclass(frozen=True)
class ComparedNode:
    """A node of a prompt: its class, its title, its constants, and where its other inputs come from."""

    class_type: str
    title: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def compared(prompt: Prompt, node_id: str, registry: Registry) -> ComparedNode:
    """A node of a prompt as it is compared: 7 is 7.0 where a number may be whole, and a\\x.pt is a/x.pt."""
    node = prompt.nodes[node_id]
    schema = schema_of(node.class_type, registry)
    given = {name: value for name, value in node.inputs.items() if type(value) is not Link}
    inputs = given | constants(given, schema) if schema is not None else given
    return ComparedNode(
        node.class_type,
        title_of(prompt, node_id, registry),
        {name: _meant(value, schema, name) for name, value in inputs.items()},
        {name: (link.node_id, link.slot) for name, link in node.links},
    )


def schema_of(class_type: str, registry: Registry) -> NodeSchema | None:
    """The class, or None where it is not known here."""
    if class_type not in registry:
        return None
    return registry[class_type]


def _meant(value: Any, schema: NodeSchema | None, name: str) -> Any:
    spec = schema.by_name.get(name) if schema is not None else None
    if spec is None and isinstance(value, float) and value.is_integer():
        return int(value)  # the editor's numbers are of one kind
    # The name of a file as every system reads it: Windows writes folders with backslashes.
    names_file = (
        isinstance(spec.socket, Files) if spec is not None else isinstance(value, str) and MODEL_FILE.search(value)
    )
    return value.replace("\\", "/") if names_file and isinstance(value, str) else value
