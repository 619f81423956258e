"""What a cell computes, as a digest: equal exactly for cells that give the same files, in this process or a later one.

It is made of the cache keys of its outputs, so of everything that these are computed from: inputs, contents of models,
code. Left out is what the workflow calls its files, which may hold the date; what a node computes from that is volatile
counts by its inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from weft.engine.links import Link
from weft.engine.planning.plan import Known, Plan
from weft.engine.planning.signature import canonical
from weft.engine.session import Session
from weft.engine.sweeping.cells import SweepCell
from weft.engine.workflow.validation import FILE_PREFIX


def identity(session: Session, cell: SweepCell, plan: Plan) -> str:
    """The digest of a cell with this plan, in hex."""
    settings = session.settings_of(plan.lowered.source).model_copy(update=dict(plan.lowered.settings))
    memory: dict[str, bytes] = {}
    outputs = sorted(_digest(plan.nodes, node_id, memory) for node_id in plan.keep)
    given = sorted(_prefixes(cell).items())
    return hashlib.blake2b(
        canonical([session.computes(settings), outputs, cell.filename, given]), digest_size=32
    ).hexdigest()


def _prefixes(cell: SweepCell) -> Mapping[str, str]:
    """The prefixes that parameters give."""
    return {name: str(value) for name, value in cell.parameters.items() if name.endswith(FILE_PREFIX)}


def _digest(nodes: Mapping[str, Known], node_id: str, memory: dict[str, bytes]) -> bytes:
    if node_id not in memory:
        known = nodes[node_id]
        plain = known.schema.output_node and FILE_PREFIX in known.inputs
        memory[node_id] = known.key.digest if not known.key.volatile and not plain else _own(nodes, known, memory)
    return memory[node_id]


def _own(nodes: Mapping[str, Known], known: Known, memory: dict[str, bytes]) -> bytes:
    """The digest of a node without its volatile part or its prefix."""
    inputs: dict[str, Any] = {}
    for name, value in known.inputs.items():
        if type(value) is Link:
            inputs[name] = [_digest(nodes, value.node_id, memory).hex(), value.slot]
        elif not (name == FILE_PREFIX and known.schema.output_node):
            inputs[name] = value
    files = {name: seen.digest.hex() for name, seen in known.files.items()}
    # JSON takes whatever a node of somebody else's may be given.
    said = json.dumps([known.schema.class_type, known.version, inputs, files], sort_keys=True, default=repr)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=32).digest()
