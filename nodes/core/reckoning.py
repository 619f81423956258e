"""What `weft plan --memory` says of a plan: which models are on the GPU when, told from the headers of their files.

It goes through the plan as a run goes, with the rules of DeviceMemory: the least recently used leave, and what does not
fit is there in parts. No torch, and of a file no more than its header.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import NamedTuple

from weft.engine.links import Link
from weft.engine.reckoning import MemoryAccount, ModelHere, PlannedNode, PlannedRun, StepMemory
from weft.engine.settings import Settings
from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.weights.bytesize import said
from weft.nodes.diffusion.weights.header import first_bytes, is_safetensors, read_header

# Where the parts of a checkpoint begin, by the socket that gives them.
_PARTS = {
    "MODEL": ("model.diffusion_model.",),
    "CLIP": ("cond_stage_model.", "conditioner.", "text_encoders."),
    "VAE": ("first_stage_model.", "vae."),
}
# What is followed from a socket to the files of its model.
_WAYS = {"MODEL": {"MODEL", "GUIDER"}, "CONTROL_NET": {"CONDITIONING", "CONTROL_NET"}}
_PATCHES = ("loras",)
_MANY = 1024


class Weighed(NamedTuple):
    """Bytes of a network: as a whole, and what is there of it when it computes block by block."""

    size: int
    least: int


class ModelInFile(NamedTuple):
    """A model in a file, with the files of what changes it."""

    path: Path
    part: str
    patches: tuple[str, ...]


class Latents(NamedTuple):
    """Sizes of what is sampled, in pixels; `known` is whether the workflow says them."""

    width: int = _MANY
    height: int = _MANY
    frames: int = 1
    batch: int = 1
    known: bool = False


def reckoned(plan: PlannedRun, settings: Settings) -> MemoryAccount:
    """See engine.reckoning."""
    numbers = 4 if settings.dtype == "float32" or (settings.device == "cpu" and settings.dtype == "auto") else 2
    budget = None if settings.device == "cpu" else getattr(settings, "vram", None)
    memory = _Memory(budget, numbers)
    steps: list[StepMemory] = []
    notes: list[str] = []
    for step in (step for step in plan.steps if step.runs):
        node, said_of = plan.nodes[step.node_id], f"node {step.node_id} {step.title!r}"
        for models, kind in _uses(node, plan):
            sizes = _sizes(node, plan)
            taken = _working(models, kind, sizes, node, numbers)
            if taken is None:
                notes.append(f"{said_of}: what it takes to compute is not known")
            if not sizes.known and kind != "CLIP":
                notes.append(f"{said_of}: its size is not in the workflow, and reckoned as 1024x1024")
            residents, problem = memory.use(models, taken or 0)
            steps.append(StepMemory(step.node_id, step.title, residents, taken or 0, problem))
    return MemoryAccount(tuple(steps), budget, memory.whole, memory.least, tuple(dict.fromkeys(notes)))


class _Memory:
    """The models on a device, the least recently used first; whole, least: as MemoryAccount's."""

    def __init__(self, budget: int | None, numbers: int) -> None:
        self._budget = budget
        self._numbers = numbers
        self._here: dict[ModelInFile, None] = {}
        self.whole = self.least = 0

    def use(self, models: tuple[ModelInFile, ...], taken: int) -> tuple[tuple[ModelHere, ...], str]:
        """Have these computed with; gives what is on the device then, and what is wrong with it."""
        weighed = {model: self._weighed(model) for model in models}
        self.whole = max(self.whole, taken + sum(each.size for each in weighed.values()))
        least = taken + sum(each.least for each in weighed.values())
        self.least = max(self.least, least)
        for model in models:
            self._here.pop(model, None)
        self._here |= dict.fromkeys(models)
        if self._budget is None:
            return tuple(self._residents({})), ""
        for other in [each for each in self._here if each not in weighed]:
            if self._taken() + taken > self._budget:
                del self._here[other]
        over = self._taken() + taken - self._budget
        if over <= 0:
            return tuple(self._residents({})), ""
        parts: dict[ModelInFile, int] = {}
        for model, each in sorted(weighed.items(), key=lambda pair: pair[1].least - pair[1].size):
            parts[model] = max(each.least, each.size - max(over, 0))
            over -= each.size - parts[model]
        residents = tuple(self._residents(parts))
        # What is in parts is away afterwards as far as others need the room.
        for model in parts:
            self._here.pop(model)
        short = f"needs {said(least)} block by block, and may take {said(self._budget)}" if over > 0 else ""
        return residents, short

    def _residents(self, parts: Mapping[ModelInFile, int]) -> Iterator[ModelHere]:
        for model in self._here:
            size = self._weighed(model).size
            yield ModelHere(_named(model), size, parts.get(model, size))

    def _taken(self) -> int:
        return sum(self._weighed(model).size for model in self._here)

    def _weighed(self, model: ModelInFile) -> Weighed:
        return _weighed(model.path, model.part, self._numbers)


def _named(model: ModelInFile) -> str:
    changed = f" with {', '.join(model.patches)}" if model.patches else ""
    part = {"CLIP": " (text encoders)", "VAE": " (VAE)"}.get(model.part, "") if _is_checkpoint(model.path) else ""
    return f"{model.path.name}{part}{changed}"


def _is_checkpoint(path: Path) -> bool:
    keys = _header(path)[0]
    return any(key.startswith(_PARTS["MODEL"]) for key in keys) and any(
        key.startswith((*_PARTS["VAE"], *_PARTS["CLIP"])) for key in keys
    )


def _uses(node: PlannedNode, plan: PlannedRun) -> Iterator[tuple[tuple[ModelInFile, ...], str]]:
    """Which models a node computes with, one after the other, and by which socket it got them."""
    given: dict[str, list[Link]] = defaultdict(list)
    for value in node.inputs.values():
        if type(value) is Link:
            given[_type_of(value, plan)].append(value)
    made = {str(output.io_type) for output in node.schema.outputs}
    if given["CLIP"] and "CONDITIONING" in made:
        yield _held(given["CLIP"], "CLIP", plan), "CLIP"
    if given["VAE"] and "LATENT" in made and given["IMAGE"]:
        yield _held(given["VAE"], "VAE", plan), "VAE"
    if (given["MODEL"] or given["GUIDER"]) and "LATENT" in made:
        nets = [link for link in given["CONDITIONING"] if _held([link], "CONTROL_NET", plan)]
        models = _held([*given["MODEL"], *given["GUIDER"]], "MODEL", plan)
        yield (*models, *_held(nets, "CONTROL_NET", plan)), "MODEL"
    if given["VAE"] and made & {"IMAGE", "VIDEO"}:
        yield _held(given["VAE"], "VAE", plan), "VAE"


def _type_of(link: Link, plan: PlannedRun) -> str:
    outputs = plan.nodes[link.node_id].schema.outputs
    return str(outputs[link.slot].io_type) if link.slot < len(outputs) else "*"


def _held(links: list[Link], part: str, plan: PlannedRun) -> tuple[ModelInFile, ...]:
    """The models that links of one type lead to."""
    found: dict[ModelInFile, None] = {}
    way = _WAYS.get(part, {part})
    folder = "controlnet" if part == "CONTROL_NET" else ""
    stack: list[tuple[str, tuple[str, ...]]] = [(link.node_id, ()) for link in links]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while stack:
        node_id, patches = stack.pop()
        if (node_id, patches) in seen:
            continue
        seen.add((node_id, patches))
        known = plan.nodes[node_id]
        named = {name: seen_.path for name, seen_ in known.files.items()}
        changes = tuple(path.name for name, path in named.items() if name.startswith(_PATCHES))
        before = [link for link in known.takes if _type_of(link, plan) in way]
        if folder or not before:
            files = [path for name, path in named.items() if not name.startswith(_PATCHES)]
            of_kind = [path for name, path in named.items() if name.startswith(folder)] if folder else files
            found |= {ModelInFile(path, part, tuple(sorted(patches))): None for path in of_kind}
        stack += [(link.node_id, (*patches, *changes)) for link in before]
    return tuple(found)


def _working(models: tuple[ModelInFile, ...], kind: str, sizes: Latents, node: PlannedNode, numbers: int) -> int | None:
    if kind == "CLIP":
        return working.TEXT
    taken = None
    for model in models:
        shapes, pixels = _header(model.path)[0], sizes.width * sizes.height
        if kind == "VAE":
            return working.decoding(shapes, pixels, sizes.frames, numbers)
        if model.part == "MODEL":
            sides = 1 if node.inputs.get("cfg") == 1.0 else 2
            elements = pixels // 64 * ((sizes.frames - 1) // 4 + 1)
            taken = working.denoising(shapes, elements, sides * sizes.batch, numbers)
    return taken


def _sizes(node: PlannedNode, plan: PlannedRun) -> Latents:
    """Those of the nearest node before this one that has a width and a height."""
    queue, seen = [node], set[str]()
    while queue:
        known = queue.pop(0)
        width, height = known.inputs.get("width"), known.inputs.get("height")
        if type(width) is int and type(height) is int:
            frames, batch = (_number(known, name) for name in ("length", "batch_size"))
            return Latents(width, height, frames, batch, True)
        for link in known.takes:
            if link.node_id not in seen and _type_of(link, plan) in ("LATENT", "IMAGE", "CONDITIONING"):
                seen.add(link.node_id)
                queue.append(plan.nodes[link.node_id])
    return Latents()


def _number(known: PlannedNode, name: str) -> int:
    value = known.inputs.get(name)
    return value if type(value) is int and value > 0 else 1


@lru_cache(maxsize=64)
def _header(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Shapes and sizes of a file's tensors; of one that is no safetensors, its size alone."""
    try:
        start, size = first_bytes(path)
        if is_safetensors(start):
            _, shapes, sizes = read_header(path, size)
            return shapes, sizes
    except CheckpointError:
        return {}, {}
    return {}, {"": size}


@lru_cache(maxsize=256)
def _weighed(path: Path, part: str, numbers: int) -> Weighed:
    """A network of a file, as it is on the device: in the run's number format, or as the file has it in fewer bits."""
    shapes, sizes = _header(path)
    prefixes = _PARTS.get(part, ())
    keys = [key for key in sizes if key.startswith(prefixes)] or list(sizes)
    blocks: dict[str, int] = defaultdict(int)
    for key in keys:
        many = len(shapes.get(key, ())) > 1
        full = prod(shapes[key]) * numbers if key in shapes else sizes[key]
        found = re.match(r".*?\.\d+\.", key)
        blocks[found[0] if found else ""] += min(full, sizes[key]) if many and part != "VAE" else full
    fixed = blocks.pop("", 0)
    return Weighed(fixed + sum(blocks.values()), fixed + max(blocks.values(), default=0))
