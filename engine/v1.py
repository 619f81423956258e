"""ComfyUI's V1 class protocol, read into a NodeDefinition. The only file that knows of V1, and the only hasattr."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.definition import HIDDEN_TYPES, Implementation, NodeDefinition, OutputSpec, read_inputs
from engine.errors import DefinitionError

# Attributes whose meaning the engine does not carry out: refused, because a silent difference is worse.
_UNSUPPORTED = ("INPUT_IS_LIST", "OUTPUT_IS_LIST", "check_lazy_status", "VALIDATE_INPUTS")


def definition_of_class(class_type: str, cls: type) -> NodeDefinition:
    """Read a class with INPUT_TYPES, RETURN_TYPES and FUNCTION. Raises DefinitionError naming what is wrong with it."""
    for attribute in ("INPUT_TYPES", "RETURN_TYPES", "FUNCTION"):
        if not hasattr(cls, attribute):
            raise DefinitionError(f"{class_type}: the class has no {attribute}")
    try:
        inputs = read_inputs(cls.INPUT_TYPES())  # type: ignore[attr-defined]  # the protocol of V1, checked above
        outputs = _outputs(cls)
    except (TypeError, AttributeError, ValueError) as error:
        raise DefinitionError(f"{class_type}: INPUT_TYPES or RETURN_TYPES is not as V1 has it: {error}") from error
    injected = {
        spec.name: str(spec.socket.io_type)
        for spec in inputs
        if spec.section == "hidden" and spec.socket.io_type in HIDDEN_TYPES
    }
    unsupported = [name for name in _UNSUPPORTED if getattr(cls, name, False)]
    return NodeDefinition(
        class_type=class_type,
        inputs=inputs,
        outputs=outputs,
        display_name=class_type,
        category=getattr(cls, "CATEGORY", "sd"),
        description=getattr(cls, "DESCRIPTION", ""),
        python_module=str(getattr(cls, "RELATIVE_PYTHON_MODULE", "nodes")),
        output_node=bool(getattr(cls, "OUTPUT_NODE", False)),
        deprecated=bool(getattr(cls, "DEPRECATED", False)),
        experimental=bool(getattr(cls, "EXPERIMENTAL", False)),
        api_node=bool(getattr(cls, "API_NODE", False)),
        unavailable=f"it uses {', '.join(unsupported)}, which Weft does not carry out yet" if unsupported else "",
        implementation=None
        if unsupported
        else Implementation(
            call=_caller(cls),
            version=source_digest(cls),
            injected=injected,
            is_changed=getattr(cls, "IS_CHANGED", None),
            by_node_id="UNIQUE_ID" in injected.values() or bool(getattr(cls, "NOT_IDEMPOTENT", False)),
        ),
    )


def _outputs(cls: Any) -> tuple[OutputSpec, ...]:
    types = cls.RETURN_TYPES
    names = getattr(cls, "RETURN_NAMES", types)
    lists = getattr(cls, "OUTPUT_IS_LIST", [False] * len(types))
    tips = [*getattr(cls, "OUTPUT_TOOLTIPS", ()), *[""] * len(types)]
    return tuple(
        OutputSpec(
            str(name) if not isinstance(name, list | tuple) else "COMBO",
            tuple(io_type) if isinstance(io_type, list | tuple) else io_type,
            bool(is_list),
            tip,
        )
        for io_type, name, is_list, tip in zip(types, names, lists, tips, strict=False)
    )


def _caller(cls: Any) -> Callable[..., Any]:
    def call(**inputs: Any) -> Any:
        return getattr(cls(), cls.FUNCTION)(**inputs)

    return call


def source_digest(cls: type) -> str:
    """A digest of the .py files of the pack that defines the class: its version, for want of a declared one.

    The files are those beside and below the class's file; a class without a file (typed into a session) has its own.
    """
    try:
        file = Path(inspect.getfile(cls))
    except (TypeError, OSError):
        return f"session:{id(cls)}"
    package = (inspect.getmodule(cls) or cls).__name__.partition(".")[0] != (inspect.getmodule(cls) or cls).__name__
    files = sorted(file.parent.rglob("*.py")) if package or file.name == "__init__.py" else [file]
    digest = hashlib.blake2b(digest_size=16)
    for source in files:
        digest.update(source.relative_to(file.parent).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
