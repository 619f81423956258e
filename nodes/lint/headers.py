"""What the headers of the files say that a workflow loads: of a node's model, its text encoders, its VAE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from weft.engine.errors import WeftError
from weft.engine.linting.view import LintNode, LintView
from weft.engine.schema.sockets import Files
from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import glances
from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance, TextGlance, VaeGlance

Found = TypeVar("Found")

_OF_MODELS = ("checkpoints", "diffusion_models")
_TYPES = {"TripleCLIPLoader": "sd3", "TripleCLIPLoaderGGUF": "sd3"}
"""Of loaders of text encoders without an input that says for what they are."""
_PACKS, _OWN = "custom_nodes", "weft.nodes."
_ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin")


class Loader(NamedTuple):
    """The node that a MODEL, CLIP or VAE comes from; `sure`: all nodes on the way are Weft's, which leave its form."""

    node: LintNode
    sure: bool


def files_of(view: LintView, node: LintNode, *kinds: str) -> list[Path]:
    """The files of these kinds that the inputs of a node name; none where one is not there."""
    declared = node.schema.by_name if node.schema is not None else {}
    found = []
    for name, spec in declared.items():
        value = node.values.get(name)
        if not isinstance(spec.socket, Files) or spec.socket.folder not in kinds or not isinstance(value, str):
            continue
        if value in spec.socket.extra_choices or view.folders is None:
            continue
        try:
            found.append(spec.socket.find(view.folders, value))
        except WeftError:
            return []  # that it is missing is an error, and said where the run is planned
    return found


def file_of(view: LintView, node: LintNode, *kinds: str) -> Path | None:
    """The file of one of these kinds that an input of a node names; None where there is none, or several."""
    found = files_of(view, node, *kinds)
    return found[0] if len(found) == 1 else None


def loader_of(node: LintNode, io_type: str) -> Loader | None:
    """The node that a MODEL, CLIP or VAE comes from first; None where it is made of several."""
    seen = {node.node_id}
    sure = True
    while True:
        names = list(node.links(io_type))
        found = node.source(names[0]) if len(names) == 1 else None
        if len(names) > 1 or (names and found is None):
            return None
        if found is None:
            return Loader(node, sure)
        node = found[0]
        sure = sure and is_own(node)
        if node.node_id in seen:
            return None
        seen.add(node.node_id)


def is_own(node: LintNode) -> bool:
    """Whether what a node does is known: not one of a pack for ComfyUI, and not of an unknown class.

    What Weft has in the place of a pack's class is its own.
    """
    of_pack = node.schema is None or node.schema.python_module.startswith(_PACKS)
    return not of_pack or node.module.startswith(_OWN)


def _loader(node: LintNode, io_type: str) -> Loader | None:
    """As loader_of, of another node than this one; through a guider, too."""
    guider = node.source("guider") if io_type == "MODEL" and not any(node.links(io_type)) else None
    node = guider[0] if guider is not None else node
    found = loader_of(node, io_type) if any(node.links(io_type)) else None
    return found if found is not None and found.node is not node else None


def file_name_of(node: LintNode) -> str:
    """The name of the file that a node's MODEL comes from, whether it is there or not; empty where it is not known."""
    loader = _loader(node, "MODEL")
    said = loader.node.values.values() if loader is not None else ()
    return next((value for value in said if isinstance(value, str) and value.lower().endswith(_ENDINGS)), "")


def model_of(view: LintView, node: LintNode, io_type: str = "MODEL") -> ModelGlance | None:
    """The model of the checkpoint that a node's MODEL comes from, through its guider too, or its CLIP or VAE."""
    loader = _loader(node, io_type)
    return _model(view, loader.node) if loader is not None else None


def is_sure(node: LintNode, io_type: str) -> bool:
    """Whether what comes from the loader reaches a node as it is, or changed by Weft's own nodes alone."""
    loader = _loader(node, io_type)
    return loader is not None and loader.sure


def _model(view: LintView, loader: LintNode) -> ModelGlance | None:
    """The model in the file that a node loads; looked at once."""

    def look() -> ModelGlance | None:
        file = file_of(view, loader, *_OF_MODELS)
        return glances.model_glance(file) if file is not None else None

    return _once(loader, "model", look)


def text_of(view: LintView, node: LintNode) -> TextGlance | None:
    """What the text encoders write that a node's CLIP comes from: of a checkpoint, or in files of their own."""
    loader = _loader(node, "CLIP")
    if loader is None:
        return None
    model = _model(view, loader.node)
    if model is not None:
        return model.text
    found = encoders_of(view, loader.node)
    return found if isinstance(found, TextGlance) else None


def encoders_of(view: LintView, loader: LintNode) -> TextGlance | CheckpointError | None:
    """What the files of a loader of text encoders write, or why they are no set of its type."""

    def look() -> TextGlance | CheckpointError | None:
        files = files_of(view, loader, "text_encoders")
        kind = _TYPES.get(loader.class_type, loader.values.get("type"))
        if not files or not isinstance(kind, str):
            return None
        try:
            return glances.text_glance(files, kind)
        except CheckpointError as error:
            return error

    return _once(loader, "encoders", look)


def vae_of(view: LintView, node: LintNode) -> VaeGlance | None:
    """The VAE that a node's VAE comes from: of a checkpoint, or in a file of its own."""
    loader = _loader(node, "VAE")
    if loader is None:
        return None
    model = _model(view, loader.node)
    if model is not None:
        return VaeGlance(f"that of {model.title}", model.latents)

    def look() -> VaeGlance | None:
        file = file_of(view, loader.node, "vae")
        return glances.vae_glance(file) if file is not None else None

    return _once(loader.node, "vae", look)


def vision_of(view: LintView, node: LintNode) -> glances.VisionGlance | None:
    """The CLIP vision model that a node's CLIP_VISION comes from."""
    loader = _loader(node, "CLIP_VISION")
    file = file_of(view, loader.node, "clip_vision") if loader is not None else None
    return glances.vision_glance(file) if file is not None else None


def patch_of(view: LintView, node: LintNode) -> PatchGlance | None:
    """The model patch that a node puts on its MODEL."""
    loader = _loader(node, "MODEL_PATCH")
    if loader is None:
        return None

    def look() -> PatchGlance | None:
        file = file_of(view, loader.node, "model_patches")
        return glances.patch_glance(file) if file is not None else None

    return _once(loader.node, "patch", look)


def _once(node: LintNode, what: str, look: Callable[[], Found]) -> Found:
    """What is found out about a node, looked for once."""
    if what not in node.known:
        node.known[what] = look()
    found: Found = node.known[what]
    return found


def conditioned(node: LintNode) -> Iterator[tuple[LintNode, bool]]:
    """The nodes above by links of prompts, and whether all between are Weft's own."""
    seen, todo = {node.node_id}, [(node, True)]
    while todo:
        current, sure = todo.pop()
        yield current, sure
        for name in _prompts(current):
            found = current.source(name)
            if found is not None and found[0].node_id not in seen:
                seen.add(found[0].node_id)
                todo.append((found[0], sure and is_own(found[0])))


def _prompts(node: LintNode) -> Sequence[str]:
    guider = ["guider"] if node.source("guider") is not None else []
    return [*node.links("CONDITIONING"), *guider]
