"""What a picture or a workflow file says of its making: its workflow as records of nodes, and what Weft adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from weft.engine.comparing.reading import compared, schema_of
from weft.engine.errors import InvalidWorkflow, Issue, UnreadableWorkflow
from weft.engine.formats import embedded
from weft.engine.formats.sources import load
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.testing.records import NodeRecord
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import validate


@dataclass(frozen=True)
class Made:
    """What a file says of its making. `by` is what Weft adds to the workflow, None where it was not Weft.

    `kind` is PNG, JPEG, ..., and empty for a workflow file. `records` are the nodes, sources first, without what
    only a run knows; `reaching` are those that something shown or written depends on.
    """

    path: Path
    prompt: Prompt
    kind: str = ""
    by: Mapping[str, Any] | None = None
    records: dict[str, NodeRecord] = field(default_factory=dict, repr=False)
    reaching: frozenset[str] = frozenset()

    @property
    def damage(self) -> list[Issue]:
        """What is wrong with the file behind the workflow."""
        return [note for note in self.prompt.notes if note.code == "damaged_file"]

    @property
    def shown(self) -> str:
        """`a PNG by Weft 0.1.0, sampling comfy, 7 nodes`."""
        kind = f"{'an' if self.kind[0] in 'AEIOM' else 'a'} {self.kind}" if self.kind else "a workflow"
        maker = f" by Weft {self.by.get('version', 'of unknown version')}" if self.by is not None else ""
        mode = f", sampling {self.by['sampling']}" if self.by is not None and "sampling" in self.by else ""
        count = len(self.prompt.nodes)
        return f"{kind}{maker}{mode}, {count} node{'s' if count != 1 else ''}"


def read_made(path: Path, registry: Registry) -> Made:
    """Read a file: its metadata, never its pixels.

    Raises UnreadableWorkflow for one that is not there or carries no workflow, InvalidWorkflow for a workflow that is
    broken: nobody could draw it.
    """
    from weft.engine.formats.conversion import to_prompt

    try:
        found = embedded.read(path) if embedded.is_container(path) else None
        loaded = load(path)
    except UnreadableWorkflow as error:
        hint = error.hint or "weft explain takes two files that carry a workflow"
        raise UnreadableWorkflow(error.message, hint=hint) from error
    prompt = loaded if isinstance(loaded, Prompt) else to_prompt(loaded, registry, keep_unknown=True)
    made = Made(path, prompt) if found is None else Made(path, prompt, found.kind, found.made)
    graph = PromptGraph(prompt)
    broken = list(_faults(prompt, graph, registry, drawn=bool(made.kind)))
    if broken:
        refused = InvalidWorkflow(broken)
        refused.message = f"{path}: {refused.message}"
        raise refused
    files = made.by.get("models") if made.by is not None else None
    records = _records(prompt, graph, registry, files if isinstance(files, Mapping) else {})
    return replace(made, records=records, reaching=frozenset(graph.needed(_ends(prompt, graph, registry))))


_LINKS = frozenset({"bad_linked_input", "dependency_cycle", "return_type_mismatch"})
"""The issues that no version of a node class makes good."""
_NOT_HERE = frozenset({"custom_validation_failed", "missing_node_type", "not_executable"})
"""The issues that another installation need not have."""


def _faults(prompt: Prompt, graph: PromptGraph, registry: Registry, *, drawn: bool) -> Iterator[Issue]:
    """What makes a workflow one that cannot be drawn, wherever its files and packs are installed.

    Of a picture, which was `drawn` all the same, perhaps with other versions of its classes, only the links count.
    """
    issues = validate(prompt, registry, executable=False)
    told = {issue.node_id for issue in issues if issue.code == "dependency_cycle"}
    for cycle in graph.cycles():
        if cycle[0] not in told:  # it feeds nothing that is shown, and has no order all the same
            yield Issue(
                "dependency_cycle", f"Nodes wait for each other: {', '.join(cycle)}", pointer=prompt.at(cycle[0])
            )
    unknown = any(issue.code == "missing_node_type" for issue in issues)
    for issue in issues:
        counts = issue.code in _LINKS if drawn else issue.code not in _NOT_HERE
        # A class that is not known may be the one that shows something.
        if counts and not (unknown and issue.code == "prompt_no_outputs"):
            yield issue


def _records(prompt: Prompt, graph: PromptGraph, registry: Registry, files: Mapping[str, Any]) -> dict[str, NodeRecord]:
    """The nodes, sources first, as a golden has them, without what only a run knows."""
    files = {name.replace("\\", "/"): digest for name, digest in files.items()}
    records: dict[str, NodeRecord] = {}
    for node_id in graph.order(prompt.nodes):
        node = compared(prompt, node_id, registry)
        named = dict(_files(node.inputs, schema_of(node.class_type, registry), files))
        records[node_id] = NodeRecord(
            class_type=node.class_type,
            title=node.title,
            version="",
            key="",
            inputs=dict(node.inputs),
            links=dict(node.links),
            files=named,
        )
    return records


def _files(inputs: Mapping[str, Any], schema: NodeSchema | None, files: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, spec in schema.by_name.items() if schema is not None else ():
        digest = files.get(f"{spec.socket.folder}/{inputs.get(name)}") if isinstance(spec.socket, Files) else None
        if isinstance(digest, str):
            yield name, digest


def _ends(prompt: Prompt, graph: PromptGraph, registry: Registry) -> list[str]:
    """The nodes that show or write something; of unknown classes, those from which nothing is taken."""
    taken = {parent for parents in graph.parents.values() for parent in parents}
    ends = []
    for node_id, node in prompt.nodes.items():
        schema = schema_of(node.class_type, registry)
        if schema.output_node if schema is not None else node_id not in taken:
            ends.append(node_id)
    return ends
