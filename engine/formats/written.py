"""The workflow that goes into a file beside the prompt that ran: opened in the editor, it gives that prompt again.

It is the saved one with the values that ran in its widgets, as the editor writes them when it queues. Whatever was done
to it is read back: where the save has no place for a difference, and where there is no save, the prompt is laid out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from weft.engine.documents import set_at, value_at
from weft.engine.envelopes import is_workflow
from weft.engine.errors import InvalidWorkflow, UnreadableWorkflow
from weft.engine.formats.canvases import BYPASSED, MUTED, EditorInput, EditorNode
from weft.engine.formats.conversion import ConvertedPrompt, to_prompt
from weft.engine.formats.editor import EXTRA_SLOTS, bare_list, escape_dynamic, looks_old, to_workflow
from weft.engine.formats.widgets import MISSING, default_of, slots
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Link, Prompt

Document = dict[str, Any]
_Key = tuple[str, str]


def workflow_of(prompt: Prompt, registry: Registry) -> Document | None:
    """The editor's workflow that gives the prompt; None for one that the editor has no form for.

    The workflow in `extra_pnginfo` is not changed. Dynamic prompts stand in the new one as they were drawn; tokens in
    the names of files stay as long as they give the same names.
    """
    saved = prompt.extra_pnginfo.get("workflow")
    if isinstance(saved, dict) and is_workflow(saved):
        revised = _revised(saved, prompt, registry)
        if revised is not None:
            return revised
    try:
        return to_workflow(prompt, registry, keep_unknown=True)
    except InvalidWorkflow:
        return None


def _revised(saved: Document, prompt: Prompt, registry: Registry) -> Document | None:
    """The saved workflow with what ran written into it, or None where it cannot be made to give the prompt."""
    candidates = list(_without_the_missing(saved, prompt, registry))
    for document in candidates:
        if _gives(document, prompt, registry):
            return document
    apart = (_uses_apart(document) for document in candidates)
    for document in (*candidates, *(document for document in apart if document is not None)):
        before = _converted(document, prompt, registry)
        changes = _changes(before, prompt, registry) if before is not None else None
        if before is None or changes is None:
            continue
        # Names of files come last: tokens may give the new ones by themselves.
        others = {key: value for key, value in changes.items() if key not in before.names}
        for shared, whole in ((True, False), (True, True), (False, True)):
            for now in (others, changes) if others != changes else (changes,):
                revision = _Revision(deepcopy(document), before, prompt, shared=shared, whole=whole)
                with suppress(LookupError):
                    revision.write(now)
                    if _gives(revision.document, prompt, registry):
                        return revision.document
    return None


def _gives(document: Document, prompt: Prompt, registry: Registry) -> bool:
    found = _converted(document, prompt, registry)
    return found is not None and _changes(found, prompt, registry) == {}


def _uses_apart(document: Document) -> Document | None:
    """The workflow in which each use of a subgraph has a graph of its own; None where no graph is used twice."""
    apart = deepcopy(document)
    graphs = (apart.get("definitions") or {}).get("subgraphs") or []
    by_id = {each.get("id"): each for each in graphs}
    seen: set[Any] = set()
    for node in apart["nodes"]:
        name = node.get("type")
        if name in by_id and name in seen:
            node["type"] = str(uuid5(NAMESPACE_OID, f"{name} {node.get('id')}"))
            graphs.append({**deepcopy(by_id[name]), "id": node["type"]})
        seen.add(name)
    return apart if len(graphs) > len(by_id) else None


def _without_the_missing(saved: Document, prompt: Prompt, registry: Registry) -> Iterator[Document]:
    """The saved workflow; where the prompt lacks nodes of it, that with these muted, and that with these bypassed."""
    before = _converted(saved, prompt, registry)
    gone = before.nodes.keys() - prompt.nodes.keys() if before is not None else ()
    if not gone:
        yield saved
        return
    roots = {node_id.partition(":")[0] for node_id in gone}
    for mode in (MUTED, BYPASSED):
        document = deepcopy(saved)
        for node in document["nodes"]:
            if isinstance(node, dict) and str(node.get("id")) in roots:
                node["mode"] = mode
        yield document


def _converted(document: Document, prompt: Prompt, registry: Registry) -> ConvertedPrompt | None:
    """The prompt of a document, at the moment for which `prompt` was made."""
    now = prompt.moment if isinstance(prompt, ConvertedPrompt) else datetime.now()
    try:
        return to_prompt(Workflow.parse(document), registry, keep_unknown=True, now=now)
    except (UnreadableWorkflow, InvalidWorkflow):
        return None


def _changes(before: ConvertedPrompt, prompt: Prompt, registry: Registry) -> dict[_Key, Any] | None:
    """The inputs that must be others for `before` to be `prompt`; None where it has other nodes.

    A widget always has a value: what the prompt leaves out is the default. Texts with choices are among them.
    """
    classes = {node_id: node.class_type for node_id, node in prompt.nodes.items()}
    if classes != {node_id: node.class_type for node_id, node in before.nodes.items()}:
        return None
    found: dict[_Key, Any] = {}
    for node_id, node in prompt.nodes.items():
        given = before.nodes[node_id].inputs
        for name in {**node.inputs, **given}:
            wanted = node.inputs.get(name, MISSING)
            if wanted is MISSING and type(given[name]) is not Link and node.class_type in registry:
                spec = registry[node.class_type].given(given).get(name)
                wanted = default_of(spec.socket) if spec is not None else MISSING
            if not _equal(given.get(name, MISSING), wanted) or (node_id, name) in before.undecided:
                found[node_id, name] = wanted
    return found


def _equal(one: Any, other: Any) -> bool:
    return one is other or (one == other and isinstance(one, bool) is isinstance(other, bool))


class _Revision:
    """A document while it is changed. `shared`: a value that several inputs have stays theirs, if all of them change
    alike, else each gets its own. `whole`: all the values of a node are written anew where one changes."""

    def __init__(
        self, document: Document, before: ConvertedPrompt, prompt: Prompt, *, shared: bool, whole: bool
    ) -> None:
        self.document = document
        self.before = before
        self.shared = shared
        self.whole = whole
        self.written: dict[str, dict[str, Any]] = {}  # by the pointer of a node: what its widgets hold now
        self.users: dict[str, list[Any]] = {}  # by place: the values that are wanted of it
        for node_id, node in before.nodes.items():
            for name, value in node.inputs.items():
                if type(value) is not Link:
                    wanted = prompt.nodes[node_id].inputs.get(name, value)
                    self.users.setdefault(before.place(node_id, name), []).append(wanted)

    def write(self, changes: Mapping[_Key, Any]) -> None:
        """Raises LookupError where there is no place for a value."""
        for (node_id, name), value in changes.items():
            item, port = self.before.origin(node_id, name)
            if port is None or value is MISSING:
                raise LookupError(name)
            if type(value) is Link:
                self.cut(item, port)
                self.connect(item, port, node_id, value)
            elif port.spec is not None:
                self.put(item, port, node_id, value)
            else:
                raise LookupError(name)

    def put(self, item: EditorNode, port: EditorInput, node_id: str, value: Any) -> None:
        place, own = self.before.place(node_id, port.name), item.place_of(port.name)
        was_linked = type(self.before.nodes[node_id].inputs.get(port.name)) is Link
        agreed = all(_equal(value, other) for other in self.users.get(place, ()))
        if was_linked or (place != own and not (self.shared and agreed)):
            self.cut(item, port)
        elif place != own:
            set_at(self.document, place, bare_list(value))
            return
        elif not agreed:
            raise LookupError(place)  # several uses of one subgraph, each with its own value
        is_dynamic = isinstance(value, str) and self.before.is_dynamic(port)
        value = escape_dynamic(value) if is_dynamic else bare_list(value)
        held = self.written.setdefault(item.pointer, dict(item.held.values))
        held[port.name] = value
        if self.whole:
            self.spell_out(item, held)
            return
        try:
            set_at(self.document, own, value)
        except LookupError:
            self.spell_out(item, held)
            return
        named = value_at(self.document, item.pointer).get(_NAMED) if item.graph.group is None else None
        if isinstance(named, dict) and port.name in named:
            named[port.name] = value

    def spell_out(self, item: EditorNode, held: Mapping[str, Any]) -> None:
        """Write what a node's widgets hold: by name where the save has names, else in the order of the class."""
        node = value_at(self.document, item.pointer)
        node.pop(_NAMED, None)
        if isinstance(node.get("widgets_values"), dict):
            node["widgets_values"] |= held
            return
        if item.schema is None:
            raise LookupError(item.pointer)
        values: list[Any] = []
        for slot in slots(item.schema.given(held).values()):
            name = slot.spec.name
            if slot.role == "value":
                values.append(held.get(name))
            else:
                extra = EXTRA_SLOTS[slot.role]
                values.append(item.held.controls.get(name, extra) if slot.role == "control" else extra)
        node["widgets_values"] = [*values, None] if looks_old(item.schema, len(values)) else values

    def cut(self, item: EditorNode, port: EditorInput) -> None:
        """Take an input's link away: from the input, its origin and the table."""
        if port.place is None:
            return
        canvas = value_at(self.document, item.graph.pointer)
        value_at(self.document, item.pointer)["inputs"][port.place]["link"] = None
        table = canvas.get("links") or []
        into = (item.node.id, port.place)
        gone = {_end(row, "id") for row in table if (str(_end(row, "target_id")), _end(row, "target_slot")) == into}
        table[:] = [row for row in table if _end(row, "id") not in gone]
        for node in canvas["nodes"]:
            for output in node.get("outputs") or ():
                if output.get("links"):
                    output["links"] = [link for link in output["links"] if link not in gone]
        for panel in canvas.get("inputs") or ():
            if panel.get("linkIds"):
                panel["linkIds"] = [link for link in panel["linkIds"] if link not in gone]

    def connect(self, item: EditorNode, port: EditorInput, node_id: str, link: Link) -> None:
        """Link an input to another node's output on the same canvas."""
        source, _ = self.before.origin(link.node_id, "")
        if source.graph is not item.graph or _outside(link.node_id) != _outside(node_id):
            raise LookupError(link.node_id)
        canvas = value_at(self.document, item.graph.pointer)
        node, origin = value_at(self.document, item.pointer), value_at(self.document, source.pointer)
        table = canvas.setdefault("links", [])
        number = 1 + max((_end(row, "id") for row in table if isinstance(_end(row, "id"), int)), default=0)
        if port.place is None:
            widget = {"widget": {"name": port.name}} if port.spec is not None else {}
            node.setdefault("inputs", []).append({"name": port.name, "type": port.io_type, **widget})
        place = len(node["inputs"]) - 1 if port.place is None else port.place
        node["inputs"][place]["link"] = number
        output = origin["outputs"][link.slot]  # IndexError is a LookupError
        output["links"] = [*(output.get("links") or ()), number]
        row = [number, origin["id"], link.slot, node["id"], place, output.get("type", "*")]
        as_objects = isinstance(next(iter(table), None), dict) or item.graph.pointer != ""
        table.append(dict(zip(_ROW, row, strict=True)) if as_objects else row)
        if isinstance(canvas.get("last_link_id"), int):
            canvas["last_link_id"] = max(canvas["last_link_id"], number)


_NAMED = "widgets_values_named"
_ROW = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")


def _end(row: Any, name: str) -> Any:
    """A part of a link, which is a list or an object; None of a row that is neither."""
    if isinstance(row, dict):
        return row.get(name)
    return row[_ROW.index(name)] if isinstance(row, list) and len(row) > _ROW.index(name) else None


def _outside(node_id: str) -> str:
    return node_id.rpartition(":")[0]
