"""ComfyUI's V1 class protocol, read into a RunnableNode. The only file that knows of V1, and the only hasattr."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from weft.engine.context import RunContext, called
from weft.engine.errors import DefinitionError
from weft.engine.links import LINK, LINK_FIRST, Link
from weft.engine.schema.authoring import CONTEXT, PNGINFO_IF_ANY
from weft.engine.schema.node import (
    FLAGS,
    NodeOptions,
    NodeSchema,
    OutputSpec,
    RunnableNode,
    Validates,
    Wants,
    read_inputs,
    read_outputs,
)
from weft.engine.schema.sockets import type_name

_CONTEXT = "weft context"
"""The name of what the call gets beside the inputs: no input of a Python function is called so."""

_OUTPUT_ATTRIBUTES = ("RETURN_TYPES", "RETURN_NAMES", "OUTPUT_IS_LIST", "OUTPUT_TOOLTIPS")


def read_class(class_type: str, cls: type) -> RunnableNode:
    """Read a class with INPUT_TYPES, RETURN_TYPES and FUNCTION.

    Raises DefinitionError naming what is wrong with it.
    """
    for attribute in ("INPUT_TYPES", "RETURN_TYPES", "FUNCTION"):
        if not hasattr(cls, attribute):
            raise DefinitionError(f"{class_type}: the class has no {attribute}")
    try:
        sections = cls.INPUT_TYPES()  # type: ignore[attr-defined]  # the protocol of V1, checked above
        inputs = read_inputs(sections)
        outputs = _outputs(cls)
        method: str = cls.FUNCTION  # type: ignore[attr-defined]  # checked above
        function = getattr(cls, method)
    except Exception as error:  # the author's code: it may raise anything
        what = f"{type(error).__name__}: {error}"
        raise DefinitionError(f"{class_type}: INPUT_TYPES, RETURN_TYPES or FUNCTION cannot be read: {what}") from error
    kinds = {spec.name: type_name(spec.socket.io_type) for spec in inputs if spec.injected}
    injected = {name: PNGINFO_IF_ANY if kind == "EXTRA_PNGINFO" else kind for name, kind in kinds.items()}
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
    asynchronous = inspect.iscoroutinefunction(function)
    return RunnableNode(
        schema,
        call=_caller(class_type, cls, method, links, asynchronous),
        options=NodeOptions(
            version=source_digest(cls),
            is_changed=_decided(cls, cls.IS_CHANGED) if hasattr(cls, "IS_CHANGED") else None,
            by_node_id=bool(getattr(cls, "NOT_IDEMPOTENT", False)),
            validates=_validates(cls),
            claims=_claims(cls, sections),
        ),
        injected={**injected, _CONTEXT: CONTEXT},
        links=links,
        module=cls.__module__,
        asynchronous=asynchronous,
        single=frozenset((_CONTEXT,)),
        at_most=len(outputs) if lists is None else min(len(lists), len(outputs)),
        wants=_wants(class_type, cls, links),
        watched=True,
        rest=any(each.kind is each.VAR_KEYWORD for each in inspect.signature(function).parameters.values()),
    )


def _outputs(cls: type) -> tuple[OutputSpec, ...]:
    """The outputs of a class; open ones too, where RETURN_TYPES answers for places past its end, as ComfyUI asks it."""
    types: Any = getattr(cls, _OUTPUT_ATTRIBUTES[0], None)
    beside = (getattr(cls, name, None) for name in _OUTPUT_ATTRIBUTES[1:])
    declared = read_outputs(types, *beside)
    if type(types) in (tuple, list):
        return declared
    found = []
    for place in range(len(declared), len(declared) + _MOST_OPEN):
        try:
            found.append(types[place])
        except LookupError:
            break
    return declared + tuple([replace(output, open=True) for output in read_outputs(found, None, None, None)])


_MOST_OPEN = 64
"""As many outputs a class may have beside those that it declares; ComfyUI knows no limit."""


def _validates(cls: type) -> Validates | None:
    """The class's own check of its inputs, if it looks at any."""
    function = getattr(cls, "VALIDATE_INPUTS", None)
    if function is None:
        return None
    parameters = inspect.signature(function).parameters.values()
    every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters if parameter.kind in _NAMED}
    types = "input_types" in names
    return Validates(_decided(cls, function), frozenset(names - {"input_types"}), every, types)


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _claims(cls: type, sections: Mapping[str, Any]) -> Callable[[str], Mapping[str, Any] | None] | None:
    """Which undeclared inputs the class takes all the same: those that a section says it contains, unlisted.

    One with lazy inputs is asked once more, as ComfyUI asks: a switch of a pack tells the others to nobody else.
    """
    flexible = [section for section in sections.values() if isinstance(section, dict) and type(section) is not dict]
    told: list[dict[str, Any]] = []
    choosy = hasattr(cls, "check_lazy_status")

    def claimed(name: str) -> Mapping[str, Any] | None:
        if choosy and not told:
            found = add_node(cls)
            told.extend(found[section] for section in ("required", "optional") if isinstance(found.get(section), dict))
        section = next((section for section in (*flexible, *told) if name in section), None)
        if section is None:
            return None
        try:
            return dict(section[name][1])
        except (LookupError, TypeError, ValueError):  # it contains the name, and has no more to say of it
            return {}

    return claimed if flexible or choosy else None


# What asks is known by these names: ComfyUI's functions that order a graph, as a class finds them in its call stack.
def add_node(cls: Any) -> Mapping[str, Any]:
    """The inputs of a class as it tells them while a graph is ordered."""
    return get_input_info(cls)


def get_input_info(cls: Any, inner: bool = False) -> Mapping[str, Any]:
    """See add_node; there are two functions of this name, one of which calls the other."""
    found: Mapping[str, Any] = cls.INPUT_TYPES() if inner else get_input_info(cls, inner=True)
    return found


def _decided(cls: type, function: Callable[..., Any]) -> Callable[..., Any]:
    """A class method of V1 that is asked before a run, with constants; one that takes lists gets lists."""
    whole = bool(getattr(cls, "INPUT_IS_LIST", False))

    def call(**given: Any) -> Any:
        found = function(**{name: [value] for name, value in given.items()} if whole else given)
        if not inspect.iscoroutine(found):
            return found
        from weft.engine.loops import in_loop

        return in_loop(found)

    return call


def _wants(class_type: str, cls: type, links: Collection[str]) -> Wants | None:
    """What asks the class which lazy inputs it needs; a class that cannot say gets them all."""
    method = "check_lazy_status"
    function = getattr(cls, method, None)
    if function is None:
        return None
    asynchronous = inspect.iscoroutinefunction(function)
    return Wants(_caller(class_type, cls, method, links, asynchronous), asynchronous)


def _caller(class_type: str, cls: Any, method: str, links: Collection[str], asynchronous: bool) -> Callable[..., Any]:
    """What calls a method of the class, of the object that the node has. Meanwhile its context is `called()`."""

    def prepared(inputs: dict[str, Any]) -> tuple[Callable[..., Any], AbstractContextManager[None]]:
        for name in links:
            given = inputs.get(name)
            if type(given) is Link:
                inputs[name] = list(given)
            elif type(given) is list:
                inputs[name] = [list(link) if type(link) is Link else link for link in given]
        context: RunContext | None = inputs.pop(_CONTEXT, None)
        if context is None:
            return getattr(cls(), method), nullcontext()
        thing = context.instances.of(context.node_id, class_type, cls, inside=bool(context.display_id))
        return getattr(thing, method), context.entered()

    def call(**inputs: Any) -> Any:
        function, entered = prepared(inputs)
        with entered, without_gradients():
            return _noted(function(**inputs))

    async def awaited(**inputs: Any) -> Any:
        function, entered = prepared(inputs)
        with entered:
            return _noted(await function(**inputs))

    return awaited if asynchronous else call


def without_gradients() -> AbstractContextManager[Any]:
    """As in ComfyUI, nothing is remembered for gradients of what a class computes, unless it asks for that itself.

    Not torch's inference mode: tensors that are made in it are good for nothing else outside.
    """
    torch = sys.modules.get("torch")
    return torch.no_grad() if torch is not None else nullcontext()


def _noted(result: Any) -> Any:
    """What a class gave; the files that its `ui` names are those that the node wrote."""
    context, ui = called(), result.get("ui") if isinstance(result, dict) else None
    if context is not None and isinstance(ui, dict):
        for name, shown in ((entry.get("filename"), entry) for entry in _entries(ui)):
            if isinstance(name, str) and shown.get("type") in ("output", "temp"):
                root = context.folders.output_folder(shown["type"])
                file = root / str(shown.get("subfolder") or "") / name
                if file not in context.written and file.is_relative_to(root) and file.is_file():
                    context.wrote(file)
    return result


def _entries(ui: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    for listed in ui.values():
        yield from (entry for entry in listed if isinstance(entry, dict)) if isinstance(listed, list | tuple) else ()


DIGESTS: dict[str, str] = {}
"""Of packs that were imported by their place: the digests that their files had then, by the name of the module."""


def source_digest(cls: type) -> str:
    """A digest of the .py files of the pack that defines the class: its version, for want of a declared one.

    A class without a file (typed into a session) is new each time it is read: nothing tells whether its code is what it
    was.
    """
    known = DIGESTS.get(cls.__module__.partition(".")[0])
    if known:
        return known
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
