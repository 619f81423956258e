"""ComfyUI's V1 class protocol, read into a RunnableNode. The only file that knows of V1, and the only hasattr."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from weft.engine.context import RunContext
from weft.engine.errors import DefinitionError
from weft.engine.links import LINK, LINK_FIRST, Link
from weft.engine.schema.authoring import CONTEXT
from weft.engine.schema.node import (
    FLAGS,
    HIDDEN_TYPES,
    DescribedNode,
    InputSpec,
    NodeOptions,
    NodeSchema,
    RunnableNode,
    read_inputs,
    read_outputs,
)

_CONTEXT = "weft context"
"""The name of what the call gets beside the inputs: no input of a Python function is called so."""

_OUTPUT_ATTRIBUTES = ("RETURN_TYPES", "RETURN_NAMES", "OUTPUT_IS_LIST", "OUTPUT_TOOLTIPS")


def read_class(class_type: str, cls: type) -> RunnableNode | DescribedNode:
    """Read a class with INPUT_TYPES, RETURN_TYPES and FUNCTION: a DescribedNode where it asks for what Weft has not.

    Raises DefinitionError naming what is wrong with it.
    """
    for attribute in ("INPUT_TYPES", "RETURN_TYPES", "FUNCTION"):
        if not hasattr(cls, attribute):
            raise DefinitionError(f"{class_type}: the class has no {attribute}")
    try:
        inputs = read_inputs(cls.INPUT_TYPES())  # type: ignore[attr-defined]  # the protocol of V1, checked above
        outputs = read_outputs(*(getattr(cls, name, None) for name in _OUTPUT_ATTRIBUTES))
        function = getattr(cls, cls.FUNCTION)  # type: ignore[attr-defined]  # checked above
    except Exception as error:  # the author's code: it may raise anything
        what = f"{type(error).__name__}: {error}"
        raise DefinitionError(f"{class_type}: INPUT_TYPES, RETURN_TYPES or FUNCTION cannot be read: {what}") from error
    injected = {
        spec.name: str(spec.socket.io_type)
        for spec in inputs
        if spec.section == "hidden" and spec.socket.io_type in HIDDEN_TYPES
    }
    # ComfyUI runs the source of a raw link first, unless it is a lazy input too.
    links = {
        spec.name: LINK if spec.socket.options.get("lazy") else LINK_FIRST
        for spec in inputs
        if spec.socket.options.get("rawLink")
    }
    schema = NodeSchema(
        class_type=class_type,
        inputs=inputs,
        outputs=outputs,
        display_name=class_type,
        category=getattr(cls, "CATEGORY", "sd"),
        description=getattr(cls, "DESCRIPTION", "") or "",
        python_module=str(getattr(cls, "RELATIVE_PYTHON_MODULE", "nodes")),
        input_is_list=bool(getattr(cls, "INPUT_IS_LIST", False)),
        **{name: bool(getattr(cls, name.upper(), False)) for name in FLAGS},
    )
    # As in ComfyUI, a list that says of too few outputs whether they are lists leaves the others out.
    lists = getattr(cls, "OUTPUT_IS_LIST", None)
    unsupported = list(_unsupported(cls, inputs))
    if unsupported:
        return DescribedNode(schema, f"it uses {', '.join(unsupported)}, which Weft does not carry out yet")
    asynchronous = inspect.iscoroutinefunction(function)
    return RunnableNode(
        schema,
        call=_caller(cls, links, asynchronous),
        options=NodeOptions(
            version=source_digest(cls),
            is_changed=getattr(cls, "IS_CHANGED", None),
            by_node_id=bool(getattr(cls, "NOT_IDEMPOTENT", False)),
        ),
        injected={**injected, _CONTEXT: CONTEXT},
        links=links,
        module=cls.__module__,
        asynchronous=asynchronous,
        single=frozenset((_CONTEXT,)),
        at_most=len(outputs) if lists is None else min(len(lists), len(outputs)),
    )


def _unsupported(cls: type, inputs: Sequence[InputSpec]) -> Iterator[str]:
    """What the engine does not carry out: such a class is refused, because a silent difference is worse."""
    yield from (name for name in ("check_lazy_status", "VALIDATE_INPUTS") if getattr(cls, name, False))
    for spec in inputs:
        if spec.section == "hidden" and spec.socket.io_type == "DYNPROMPT":
            yield f"DYNPROMPT ({spec.name})"


def _caller(cls: Any, links: Collection[str], asynchronous: bool) -> Callable[..., Any]:
    """What calls the class. Meanwhile its context is the one that is `called()`."""

    def prepared(inputs: dict[str, Any]) -> AbstractContextManager[None]:
        for name in links:
            given = inputs.get(name)
            if type(given) is Link:
                inputs[name] = list(given)
            elif type(given) is list:
                inputs[name] = [list(link) if type(link) is Link else link for link in given]
        context: RunContext | None = inputs.pop(_CONTEXT, None)
        return context.entered() if context is not None else nullcontext()

    def call(**inputs: Any) -> Any:
        with prepared(inputs):
            return getattr(cls(), cls.FUNCTION)(**inputs)

    async def awaited(**inputs: Any) -> Any:
        with prepared(inputs):
            return await getattr(cls(), cls.FUNCTION)(**inputs)

    return awaited if asynchronous else call


def source_digest(cls: type) -> str:
    """A digest of the .py files of the pack that defines the class: its version, for want of a declared one.

    A class without a file (typed into a session) is new each time it is read: nothing tells whether its code is what it
    was.
    """
    try:
        return pack_digest(cls.__module__, Path(inspect.getfile(cls)))
    except (TypeError, OSError):
        return f"session:{os.urandom(16).hex()}"


def pack_digest(module: str, file: Path) -> str:
    """A digest of the .py files of the pack of a module, which stands in `file`. Raises OSError.

    A pack is the outermost package of the module, or else that one file.
    """
    digest = hashlib.blake2b(digest_size=16)
    root = file.parent
    package = module.split(".")[: None if file.name == "__init__.py" else -1]
    for name in reversed(package[1:]):
        if root.name != name:
            break
        root = root.parent
    for source in sorted(root.rglob("*.py")) if package else [file]:
        digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
