"""The built-in nodes are declared as ComfyUI 0.3.64 declares them: names, order, types, defaults, ranges.

What is newer than that is declared as ComfyUI's own templates save it: names and types.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import pytest

from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import (
    MATCH_TYPE,
    Autogrow,
    Combo,
    DynamicCombo,
    Float,
    Listed,
    MatchType,
    Socket,
    fits,
    type_name,
)

from ..reference.store import document
from .pairs import templates

REGISTRY = Registry.discover()
BORROWED = next(iter(REGISTRY.packs)).borrowed
COMFYUI = [
    schema.class_type
    for schema in REGISTRY.schemas()
    if schema.python_module != "weft" and not schema.internal and schema.class_type not in BORROWED
]
NEWER = sorted(set(COMFYUI) - set(document("object_info")))

GREW = {
    "ImageScaleToTotalPixels",
    "MaskPreview",
    "PreviewAny",
    "PreviewImage",
    "SaveImage",
    "SaveSVGNode",
    "SaveVideo",
}
"""Classes to which newer versions gave outputs or optional inputs that templates use: they have those as well."""

UNSAVED = {
    "BatchLatentsNode",
    "LoadImageDataSetFromFolder",
    "LoadImageTextDataSetFromFolder",
    "LoraLoaderBypass",
    "LoraLoaderBypassModelOnly",
    "PrimitiveBoundingBox",
    "ZImageFunControlnet",
}
"""Newer classes that no template has: their declarations are those of ComfyUI's documentation."""

LATER_CHOICES = {
    **{
        (name, "sampler_name"): ("exp_heun_2_x0", "exp_heun_2_x0_sde")
        for name in ("KSampler", "KSamplerAdvanced", "KSamplerSelect")
    },
    ("CLIPLoader", "type"): ("flux2", "flux3"),
    ("FluxKontextMultiReferenceLatentMethod", "reference_latents_method"): ("index_timestep_zero",),
}
"""Choices that newer versions have too, and many workflows name."""

EDITORS_OWN = {"AUDIO_UI"}
"""Types of widgets that the editor shows, and no class has."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def dump() -> dict[str, Any]:
    loaded: dict[str, Any] = document("object_info")
    return loaded


@pytest.mark.parametrize("class_type", sorted(set(COMFYUI) - set(NEWER)))
def test_declared_as_in_comfyui(class_type: str, dump: dict[str, Any]) -> None:
    ours, theirs = REGISTRY[class_type], NodeSchema.from_object_info(class_type, dump[class_type])
    compared = [field.name for field in fields(NodeSchema) if field.compare and field.name != "inputs"]
    inputs = ours.inputs
    if class_type in GREW:
        compared.remove("outputs")
        assert ours.outputs[: len(theirs.outputs)] == theirs.outputs
        inputs = tuple(spec for spec in ours.inputs if spec.name in theirs.names or spec.section != "optional")
        assert (inputs, theirs.outputs) != (ours.inputs, ours.outputs)
    assert {name: getattr(ours, name) for name in compared} == {name: getattr(theirs, name) for name in compared}
    assert ours.python_module == theirs.python_module
    assert [(spec.name, spec.section) for spec in inputs] == [(spec.name, spec.section) for spec in theirs.inputs]
    for spec, expected in zip(inputs, theirs.inputs, strict=True):
        if isinstance(spec.socket, Listed):
            # Which files there are is the machine's; all else of the list is ComfyUI's.
            assert isinstance(expected.socket, Combo)
            assert dict(spec.socket.options) | {"tooltip": ""} == dict(expected.socket.options) | {"tooltip": ""}
        else:
            later = LATER_CHOICES.get((class_type, spec.name), ())
            assert without(spec.socket, later) == expected.socket


def without(socket: Socket, later: Sequence[str]) -> Socket:
    """A socket as it was before it had these choices."""
    if not later or not isinstance(socket, Combo) or socket.choices is None:
        return socket
    return Combo([choice for choice in socket.choices if choice not in later], **socket.options)


@cache
def saves() -> dict[str, list[Json]]:
    """The nodes of all templates, inside subgraphs too, by class."""
    found = defaultdict(list)
    for template in templates().values():
        for canvas in (template, *(template.get("definitions") or {}).get("subgraphs", ())):
            for saved in canvas["nodes"]:
                found[saved["type"]].append(saved)
    return found


def declared(name: str, socket: Socket) -> dict[str, Socket]:
    """The sockets that an input may show, by name, whatever is chosen and however far it grows."""
    if isinstance(socket, DynamicCombo):
        parts = [(f"{name}.{part}", inner) for branch in socket.branches.values() for _, part, inner in branch]
        return {name: socket} | {key: each for part in parts for key, each in declared(*part).items()}
    if isinstance(socket, Autogrow):
        return {f"{name}.{part}": socket.item for part in socket.names}
    return {name: socket}


@pytest.mark.parametrize("class_type", sorted({*NEWER, *GREW}))
def test_newer_classes_are_declared_as_templates_save_them(class_type: str) -> None:
    schema = REGISTRY[class_type]
    ours = {key: each for name, spec in schema.by_name.items() for key, each in declared(name, spec.socket).items()}
    assert (class_type in saves()) != (class_type in UNSAVED)
    for saved in saves().get(class_type, ()):
        for slot in saved.get("inputs") or ():
            if slot["type"] in EDITORS_OWN or class_type in GREW:
                continue
            socket = ours[slot["name"]]
            assert isinstance(socket, MatchType) or fits(slot["type"], type_name(socket.io_type))
        for index, slot in enumerate(saved.get("outputs") or ()):
            output = schema.outputs[index]
            assert output.io_type == MATCH_TYPE or fits(slot["type"], type_name(output.io_type))
            assert slot["name"] == output.name


@pytest.mark.parametrize("class_type", list(REGISTRY))
def test_described_for_a_reader(class_type: str) -> None:
    """What --help, weft nodes and an editor show: a description, and a tooltip for each input."""
    schema = REGISTRY[class_type]
    assert schema.description.endswith(".")
    untold = [name for name, spec in schema.by_name.items() if "tooltip" not in spec.socket.options]
    assert not untold


def test_the_pack_names_every_node_of_its_files() -> None:
    """nodes/__init__.py lists the classes by hand, so that none is imported before it is used."""
    import importlib

    from weft.engine.schema.authoring import is_marked
    from weft.nodes import NODES

    for module_name in {source.partition(":")[0] for source in NODES.values()}:
        module = importlib.import_module(module_name)
        marked = {name for name, thing in vars(module).items() if is_marked(thing) and thing.__module__ == module_name}
        places = (source.partition(":") for source in NODES.values())
        assert marked == {name for module, _, name in places if module == module_name}


def test_bounds_of_real_numbers_are_real_numbers() -> None:
    """An alias with 0 and one with 0.0 are one to typing, and which of them is shown would depend on who came first."""
    found = [
        f"{schema.class_type}.{spec.name}: {name}={value!r}"
        for schema in REGISTRY.schemas()
        if schema.python_module.partition(".")[0] in ("nodes", "comfy_extras")
        for spec in schema.inputs
        if isinstance(spec.socket, Float)
        for name, value in spec.socket.options.items()
        if name in ("default", "min", "max") and type(value) is int and abs(value) < 2**53
    ]
    assert not found
