"""Weft's own node classes as packs know ComfyUI's: classes with INPUT_TYPES, FUNCTION and a method of that name.

They are made from what a registry says of each class, and call its code with the context of the node that is called.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from weft.engine.folders import INPUT, Folders
from weft.engine.schema.authoring import CONTEXT, GRAPH
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.sockets import Files, Listed
from weft.nodes.compat.host import context, folders, host
from weft.nodes.compat.methods import CHOICES, METHODS


class Results(tuple[Any, ...]):
    """What a method gives: its outputs, which V3's `execute` has under two names more."""

    @property
    def result(self) -> tuple[Any, ...]:
        """The outputs."""
        return tuple(self)

    args = result


class BuiltIn:
    """The base of all of them; `class_type` is the class of Weft's that does the work."""

    class_type = ""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """The inputs, as ComfyUI's class gives them, with the names of the files that are there."""
        return input_types(host().registry[cls.class_type], folders())


class _Method:
    """A method that may be called on an object and on the class, as V1 has the one and V3 the other.

    One that is `plain` is a function of V1: called on the class, it takes an object first.
    """

    def __init__(self, name: str, parameters: tuple[str, ...], plain: bool) -> None:
        self.name = name
        self.parameters = parameters
        self.plain = plain

    def __get__(self, instance: Any, owner: type[BuiltIn]) -> Any:
        def method(*args: Any, **named: Any) -> Any:
            if instance is None and args and (self.plain or _built_in(args[0]) or len(args) > len(self.parameters)):
                args = args[1:]  # LoraLoader.load_lora(self, model, ...), where `self` may be anything
            given = dict(zip(self.parameters, args, strict=False))
            if len(args) > len(self.parameters):
                raise TypeError(f"{owner.__name__}.{self.name} takes {len(self.parameters)} inputs, got {len(args)}")
            twice = given.keys() & named.keys()
            if twice:
                raise TypeError(f"{owner.__name__}.{self.name} got {min(twice)!r} twice")
            return call(owner.class_type, {**given, **named})

        method.__name__ = self.name
        return method


def _built_in(value: Any) -> bool:
    return issubclass(value if isinstance(value, type) else type(value), BuiltIn)


def call(class_type: str, given: Mapping[str, Any]) -> Any:
    """What a class of Weft's gives for these inputs: its outputs, or a dict with `ui` and `result`.

    Widgets that are left out have their defaults. Raises what the class raises.
    """
    node = host().registry.runnable(class_type)
    schema, run = node.schema, context()
    inputs = {name: value for name, value in given.items() if name in schema.by_name or name not in schema.names}
    for name, spec in schema.by_name.items():
        if spec.section == "required" and name not in inputs and "default" in spec.socket.options:
            inputs[name] = spec.socket.options["default"]
    for name in inputs.keys() & schema.by_name.keys():
        inputs[name] = _below(schema.by_name[name].socket, inputs[name])
    for name, kind in node.injected.items():
        inputs[name] = given[name] if given.get(name) is not None else _injected(kind, run)
    result = node.call(**inputs)
    if inspect.isawaitable(result):
        return result
    return Results(result) if type(result) is tuple else result


def _below(socket: Any, value: Any) -> Any:
    """The name of a file, where a pack gives the path of one below the folders of its kind, as `get_full_path` does."""
    if not isinstance(socket, Files) or not isinstance(value, str) or not os.path.isabs(value):
        return value
    places = [place for place in folders().folders(socket.folder) if Path(value).is_relative_to(place)]
    return Path(value).relative_to(places[0]).as_posix() if places else value


def _injected(kind: str, run: Any) -> Any:
    match kind:
        case _ if kind == CONTEXT:
            return run
        case _ if kind == GRAPH:
            return GraphBuilder(f"{run.node_id}.0.0.")
        case "PROMPT":
            return run.prompt
        case "EXTRA_PNGINFO":
            return run.extra_pnginfo
        case "UNIQUE_ID":
            return run.node_id
    return None


def input_types(schema: NodeSchema, where: Folders) -> dict[str, dict[str, Any]]:
    """What INPUT_TYPES gives: `{section: {name: (type, options)}}`."""
    found: dict[str, dict[str, Any]] = {"required": {}}
    for spec in schema.inputs:
        section = found.setdefault(spec.section, {})
        if spec.section == "hidden":
            section[spec.name] = spec.socket.io_type
            continue
        kind, *options = spec.socket.to_object_info()
        if isinstance(spec.socket, Listed):
            kind = spec.socket.names(where)
        section[spec.name] = (kind, *options) if options else (kind,)
    return found


def class_of(class_type: str) -> type[BuiltIn]:
    """The class as packs know it. Raises UnknownNode, DefinitionError."""
    return _made(host().registry[class_type])


@cache
def _made(schema: NodeSchema) -> type[BuiltIn]:
    name, *parameters = METHODS.get(schema.class_type, "execute").split()
    hidden = [spec.name for spec in schema.inputs if spec.section == "hidden"]
    order = (*(parameters or schema.by_name), *hidden)
    plain = schema.python_module == "nodes"
    methods = {each: _Method(each, order, plain and each == name != "execute") for each in (name, "execute")}
    types = tuple(list(out.io_type) if isinstance(out.io_type, tuple) else out.io_type for out in schema.outputs)
    attributes: dict[str, Any] = {
        "class_type": schema.class_type,
        "__doc__": schema.description,
        "__module__": schema.python_module,
        "RELATIVE_PYTHON_MODULE": schema.python_module,
        "RETURN_TYPES": types,
        "RETURN_NAMES": tuple(out.name for out in schema.outputs),
        "OUTPUT_IS_LIST": tuple(out.is_list for out in schema.outputs),
        "OUTPUT_TOOLTIPS": tuple(out.tooltip for out in schema.outputs),
        "INPUT_IS_LIST": schema.input_is_list,
        "FUNCTION": name,
        "CATEGORY": schema.category,
        "DESCRIPTION": schema.description,
        "OUTPUT_NODE": schema.output_node,
        "DEPRECATED": schema.deprecated,
        "EXPERIMENTAL": schema.experimental,
        **methods,
    }
    for attribute, chosen in CHOICES.get(schema.class_type, {}).items():
        kind, *options = schema.by_name[chosen].socket.to_object_info()
        attributes[attribute] = list(kind if isinstance(kind, list) else options[0]["options"])
    if schema.class_type == "VAELoader":
        attributes["vae_list"] = classmethod(_vae_list)
    if any(isinstance(spec.socket, Files) and spec.socket.folder == INPUT for spec in schema.inputs):
        attributes["IS_CHANGED"] = classmethod(_files_changed)
    return type(schema.class_type, (BuiltIn,), attributes)


def _vae_list(cls: type[BuiltIn], *_: Any) -> list[str]:
    """The VAEs that there are: called with the class, or with nothing."""
    return list(cls.INPUT_TYPES()["required"]["vae_name"][0])


def _files_changed(cls: type[BuiltIn], **given: Any) -> str:
    """A digest of the input files that the inputs name."""
    import hashlib

    digest = hashlib.sha256()
    for name, spec in host().registry[cls.class_type].by_name.items():
        if isinstance(spec.socket, Files) and isinstance(given.get(name), str):
            digest.update(folders().find(spec.socket.folder, given[name]).read_bytes())
    return digest.hexdigest()


def names_in(module: str) -> Iterator[str]:
    """The classes of Weft's that ComfyUI has in a module."""
    registry = host().registry
    for name in registry:
        if name in registry and registry[name].python_module == module:
            yield name


def find(name: str) -> type[BuiltIn] | None:
    """The class of that name, whichever of ComfyUI's modules has it; None where Weft has none."""
    registry = host().registry
    found = registry.find(name)
    own = found is not None and found.schema.python_module.partition(".")[0] != "custom_nodes"
    return class_of(name) if own else None
