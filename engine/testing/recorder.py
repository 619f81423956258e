"""Records a run: an executor's `watch` that takes down every node's outputs while they are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weft.engine.cache.protocol import Entry
from weft.engine.folders import Folders
from weft.engine.planning.digests import Digests, hash_file
from weft.engine.planning.plan import Step
from weft.engine.planning.signature import KEY_VERSION, canonical
from weft.engine.schema.node import RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.settings import Settings
from weft.engine.testing.code import digest_of, pack_of
from weft.engine.testing.instrument import Instrument, Tensor
from weft.engine.testing.records import (
    Birth,
    Leaf,
    NodeRecord,
    OpaqueLeaf,
    PlainLeaf,
    Recording,
    TensorLeaf,
    ValueRecord,
)
from weft.engine.values import ExecutionBlocker, Values
from weft.engine.workflow.prompt import Link

INDEPENDENT = "no: self-made. It holds what this engine gave on the day of recording, right or wrong"

_LONG = 2_000
"""Characters of a plain value that a record holds itself; a longer one is kept by its digest."""
_DEEP = 24
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_TENSORS = (".safetensors", ".latent")
_LARGEST = 256 << 20
"""Bytes of a safetensors file that is opened; a larger one is compared by the bits of the whole file."""


class Recorder:
    """The `watch` of one run. `nodes` are taken down in the order in which they ran.

    `wants(node id, leaf)` says which tensors are copied into `tensors`, by digest: outputs are released early.
    """

    def __init__(
        self,
        instrument: Instrument,
        registry: Registry,
        folders: Folders,
        digests: Digests,
        wants: Callable[[str, TensorLeaf], bool] = lambda node_id, leaf: False,
    ) -> None:
        self._instrument = instrument
        self._registry = registry
        self._folders = folders
        self._digests = digests
        self._wants = wants
        self._values: dict[bytes, tuple[ValueRecord, ...]] = {}
        self.nodes: dict[str, NodeRecord] = {}
        self.tensors: dict[str, Tensor] = {}
        self.models: dict[str, str] = {}
        self.packs: dict[str, str] = {}

    def __call__(self, step: Step, entry: Entry) -> None:
        """Take down a step's recipe and what it gave."""
        values = self._values.get(step.key.digest)
        if values is None or self._lacks(step.node_id, values):
            values = self._values[step.key.digest] = tuple(self._read(step, entry))
        self.nodes[step.node_id] = self._record(step, values)

    def _lacks(self, node_id: str, values: tuple[ValueRecord, ...]) -> bool:
        """Whether a tensor of an equal node, which nobody wanted there, is wanted here."""
        leaves = (leaf for value in values for leaf in value.leaves.values())
        return any(
            leaf.kind == "tensor" and leaf.digest not in self.tensors and self._wants(node_id, leaf) for leaf in leaves
        )

    def failed(self, step: Step) -> None:
        """Take down the recipe of a step that raised."""
        self.nodes[step.node_id] = self._record(step, ())

    def _record(self, step: Step, values: tuple[ValueRecord, ...]) -> NodeRecord:
        node = self._registry.runnable(step.schema.class_type)
        return NodeRecord(
            class_type=step.schema.class_type,
            title=step.title,
            version=node.version,
            pack=self._pack(node.module),
            key=step.key.digest.hex(),
            volatile=step.key.volatile,
            inputs={name: _plain(value) for name, value in step.inputs.items() if type(value) is not Link},
            links={name: (value.node_id, value.slot) for name, value in step.inputs.items() if type(value) is Link},
            files=self._files(step, node),
            values=values,
        )

    def _pack(self, module: str) -> str:
        """The pack of a module; its digest is taken down too."""
        pack = pack_of(module)
        self.packs |= digest_of(module, pack)
        return pack

    def _files(self, step: Step, node: RunnableNode) -> dict[str, str]:
        """The digests of the files that a step names, by input."""
        found: dict[str, str] = {}
        constants = {name: value for name, value in step.inputs.items() if type(value) is not Link}
        for name, value in constants.items():
            spec = step.schema.by_name.get(name)
            if spec is not None and isinstance(spec.socket, Files) and value not in spec.socket.extra_choices:
                path = self._folders.find(spec.socket.folder, value, spec.socket.suffixes)
                found[name] = self.models[f"{spec.socket.folder}/{value}"] = self._digests.of(path).hex()
        fingerprint = node.options.fingerprint
        if fingerprint is not None:
            items = fingerprint(self._folders, constants)
            for number, item in enumerate(item for item in items if isinstance(item, Path)):
                found[f"+{number}"] = self.models[item.name] = self._digests.of(item).hex()
        return found

    def _read(self, step: Step, entry: Entry) -> Iterator[ValueRecord]:
        for slot, (output, value) in enumerate(zip(step.schema.outputs, entry.outputs, strict=True)):
            if output.repeats or (output.open and value is None):
                continue
            io_type = output.io_type if isinstance(output.io_type, str) else "COMBO"
            leaves = dict(self._leaves(step.node_id, self._measured(io_type, value), str(slot), 0))
            # Two slots may have one name: the slot's number tells them apart in every message.
            yield ValueRecord(name=f"{slot} {output.name}", type=io_type, leaves=_without(leaves, str(slot)))
        texts = entry.ui.get("text")
        if texts is not None:
            yield ValueRecord(name="text", type="STRING", leaves=dict(self._leaves(step.node_id, texts, "", 0)))
        for number, file in enumerate(entry.files):
            yield self._file(step.node_id, number, file)

    def _measured(self, io_type: str, slot: Any) -> Any:
        """What is taken down of a slot; where it holds a list, of each of its values."""
        if type(slot) is Values:
            return [self._measured(io_type, value) for value in slot]
        if type(slot) is ExecutionBlocker:
            return {"blocked": slot.message}
        return self._registry.packs.measure(io_type, slot)

    def _leaves(self, node_id: str, value: Any, place: str, depth: int) -> Iterator[tuple[str, Leaf]]:
        plain = _plain_leaf(value)
        if plain is not None:
            yield place, plain
        elif (found := self._instrument.tensor(value)) is not None:
            yield place, self._tensor(node_id, found)
        elif isinstance(value, Mapping | list | tuple) and depth < _DEEP:
            parts = value.items() if isinstance(value, Mapping) else enumerate(value)
            for name, part in parts:
                yield from self._leaves(node_id, part, f"{place}.{name}", depth + 1)
        else:
            yield place, OpaqueLeaf(kind="opaque", name=type(value).__name__)

    def _tensor(self, node_id: str, value: Tensor, *, always: bool = False) -> TensorLeaf:
        leaf = TensorLeaf(kind="tensor", **self._instrument.facts(value))
        if leaf.digest not in self.tensors and (always or self._wants(node_id, leaf)):
            self.tensors[leaf.digest] = self._instrument.kept(value)
        return leaf

    def _file(self, node_id: str, number: int, file: Path) -> ValueRecord:
        """A file that a node wrote: by its pixels or tensors, so that the workflow inside it does not count."""
        name = f"file {number} {file.suffix.lower()}"
        if file.suffix.lower() in _PICTURES and (picture := self._instrument.read_picture(file)) is not None:
            still = len(picture) == 1
            leaves: dict[str, Leaf] = {"pixels": self._tensor(node_id, picture, always=still)}
            if not still:
                leaves["milliseconds"] = PlainLeaf(kind="plain", value=self._instrument.frame_durations(file))
            return ValueRecord(name=name, type="IMAGE", leaves=leaves)
        if file.suffix.lower() in _TENSORS and file.stat().st_size <= _LARGEST:
            tensors = self._instrument.read_tensors(file)
            parts = {place: self._tensor(node_id, value) for place, value in sorted(tensors.items())}
            return ValueRecord(name=name, type="LATENT" if file.suffix == ".latent" else "*", leaves=dict(parts))
        return ValueRecord(
            name=name, type="FILE", leaves={"content": PlainLeaf(kind="plain", digest=hash_file(file).hex())}
        )

    def recording(self, settings: Settings, making: Mapping[str, Any]) -> Recording:
        """What was taken down, with a certificate of this run; `making` is what files record of it."""
        known = {"models": dict(sorted(self.models.items())), "packs": dict(sorted(self.packs.items()))}
        return Recording(certificate(self._instrument, settings, making, **known), self.nodes)


def certificate(
    instrument: Instrument,
    settings: Settings,
    making: Mapping[str, Any],
    models: Mapping[str, str],
    packs: Mapping[str, str],
) -> Birth:
    """The birth certificate of what is made here and now."""
    import platform
    from importlib.metadata import version

    return Birth(
        weft=version("weft"),
        key_version=KEY_VERSION,
        **{name: value for name, value in making.items() if name in Birth.model_fields},
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        models=dict(models),
        packs=dict(packs),
        independent=INDEPENDENT,
        **instrument.environment(settings.device, settings.dtype),
    )


def _without(leaves: Mapping[str, Leaf], slot: str) -> dict[str, Leaf]:
    return {place.removeprefix(slot).removeprefix("."): leaf for place, leaf in leaves.items()}


def _plain_leaf(value: Any) -> PlainLeaf | None:
    """The leaf of plain data, or None for what is none."""
    try:
        encoded = canonical(value)
    except TypeError:
        return None
    shown = _plain(value)
    if (shown is None and value is not None) or len(encoded) > _LONG:
        return PlainLeaf(kind="plain", digest=hashlib.blake2b(encoded, digest_size=32).hexdigest())
    return PlainLeaf(kind="plain", value=shown)


def _plain(value: Any) -> Any:
    """Plain data as JSON gives it back (tuples are lists); None for what JSON does not know."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return None
