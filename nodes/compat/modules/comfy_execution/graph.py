"""`comfy_execution.graph`: what stands for an output that is not to be used, and errors about graphs."""

from __future__ import annotations

from typing import Any

from weft.engine.running.asking import NodeInputError
from weft.engine.running.dynprompt import DynamicPrompt, NodeNotFoundError
from weft.engine.running.growth import DependencyCycleError
from weft.engine.values import ExecutionBlocker

__all__ = [
    "DependencyCycleError",
    "DynamicPrompt",
    "ExecutionBlocker",
    "NodeInputError",
    "NodeNotFoundError",
    "get_input_info",
]


def get_input_info(class_def: Any, input_name: str, valid_inputs: Any = None) -> tuple[Any, Any, Any]:
    """Type, section and options of an input of a V1 class; three times None where it has none of that name."""
    inputs = valid_inputs if valid_inputs is not None else class_def.INPUT_TYPES()
    for section in ("required", "optional", "hidden"):
        if input_name in inputs.get(section, {}):
            declared = inputs[section][input_name]
            if section == "hidden":
                return declared, section, {}
            return declared[0], section, declared[1] if len(declared) > 1 else {}
    return None, None, None
