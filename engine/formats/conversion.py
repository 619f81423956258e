"""Workflow -> Prompt: what ComfyUI's editor sends to the server when a saved workflow is queued.

The rules are the frontend's. Where its versions 1.27 and 1.58 differ, the one that loses nothing is followed: texts
are kept per instance of a subgraph, a linked widget whose source is muted keeps its value, a muted reroute or subgraph
blocks, values saved by name are read by name. Seeds are never changed, nor rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from engine.definition import InputSpec, NodeDefinition
from engine.documents import pointer, with_value
from engine.errors import InvalidWorkflow, Issue
from engine.formats.canvases import Item, Kind, Port, Scope
from engine.formats.controls import ControlWord, control_word, next_seed
from engine.formats.reading import read
from engine.formats.texts import FILE_NAMERS, Choose, expand, fill_in, first_option
from engine.formats.widgets import MISSING, Saved, constant, default_of, fed, has_control, is_widget, plain
from engine.formats.wiring import Literal, Wiring, primitive_value, shown_outside
from engine.formats.workflow import Workflow
from engine.prompt import Link, Prompt, PromptNode
from engine.registry import HOW_CLASSES_GET_IN, Registry
from engine.sockets import String

MAX_ID_CHARACTERS = 32_000_000
"""The most characters that all node ids of a prompt may have: those of nested subgraphs are paths."""

_MAX_HINTS = 20


class SeedControl(NamedTuple):
    """What happens to an input's value after a run. Inputs with one `place` (a JSON pointer) share one value."""

    word: ControlWord
    place: str


class ConvertedPrompt(Prompt):
    """A prompt made from a workflow: issues point into the workflow's document.

    `notes` is what is broken in the document and was left out, as the editor leaves it out; `controls` is by node id
    and input name.
    """

    def __init__(
        self,
        nodes: Mapping[str, PromptNode],
        *,
        extra_pnginfo: Mapping[str, Any],
        items: Mapping[str, Item],
        notes: tuple[Issue, ...],
        controls: Mapping[tuple[str, str], SeedControl],
    ) -> None:
        super().__init__(nodes, extra_pnginfo=extra_pnginfo)
        self.notes = notes
        self.controls = controls
        self._items = items

    def replace(self, node_id: str, input_name: str, value: Any) -> ConvertedPrompt:
        return self.with_nodes(super().replace(node_id, input_name, value).nodes, self.extra_pnginfo)

    def with_nodes(self, nodes: Mapping[str, PromptNode], extra_pnginfo: Mapping[str, Any]) -> ConvertedPrompt:
        """A copy with other inputs in its nodes."""
        return ConvertedPrompt(
            nodes, extra_pnginfo=extra_pnginfo, items=self._items, notes=self.notes, controls=self.controls
        )

    def at(self, node_id: str, input_name: str | None = None) -> str:
        """The JSON pointer of a node, or of the socket or the widget value that an input comes from."""
        item = self._items.get(node_id)
        if item is None:
            return super().at(node_id, input_name)
        port = next((port for port in item.ports if port.name == input_name), None)
        linked = input_name is not None and type(self.nodes[node_id].inputs.get(input_name)) is Link
        if port is None or (linked and port.place is None):
            return item.pointer
        if linked or port.spec is None:
            return item.pointer + (pointer("inputs", port.place) if port.place is not None else "")
        return item.place_of(port.name)


def to_prompt(
    workflow: Workflow,
    registry: Registry,
    *,
    keep_unknown: bool = False,
    now: datetime | None = None,
    choose: Choose = first_option,
) -> ConvertedPrompt:
    """The prompt that the editor would send.

    Args:
        workflow: A parsed UI document; it goes into `extra_pnginfo`, so that saved pictures carry it.
        registry: The node classes.
        keep_unknown: Emit nodes of unknown classes with the links and values that were saved; else they are an error.
        now: What `%date:...%` in file names shows; default: the local time.
        choose: Which option of a dynamic prompt is taken, given their number; default: the first, so that the same
            workflow always gives the same prompt.

    Raises:
        InvalidWorkflow: nodes of unknown classes, ids that stand twice, subgraphs that are not defined or contain
            themselves, links in a circle, more nodes than can be read; `.issues` names each.
    """
    return _Conversion(workflow, registry, keep_unknown, now or datetime.now(), choose).run()


def seed_controls(workflow: Workflow, registry: Registry) -> dict[tuple[str, str], SeedControl]:
    """What the editor would do to values after a run, by the prompt's node id and input name.

    An input has an entry if it holds a value and is followed by a control word, or is fed by a PrimitiveNode with one.
    """
    return dict(to_prompt(workflow, registry, keep_unknown=True).controls)


def advance(prompt: ConvertedPrompt, registry: Registry, random: Callable[[], float]) -> ConvertedPrompt:
    """The prompt of the next run, as the editor would queue it: every control word applied once.

    Inputs that share a place get the same value. The workflow in `extra_pnginfo` changes with it, in a copy.
    """
    drawn: dict[str, Any] = {}
    changed: dict[str, dict[str, Any]] = {}
    workflow = prompt.extra_pnginfo["workflow"]
    for (node_id, name), control in prompt.controls.items():
        inputs = prompt.nodes[node_id].inputs
        spec = registry[prompt.nodes[node_id].class_type].given(inputs)[name]
        if control.word is ControlWord.FIXED or name not in inputs or type(inputs[name]) is Link:
            continue
        if control.place not in drawn:
            drawn[control.place] = next_seed(inputs[name], control.word, spec, random)
            with suppress(LookupError):  # a value that the save does not spell out has no place in it
                workflow = with_value(workflow, control.place, drawn[control.place])
        changed.setdefault(node_id, {})[name] = drawn[control.place]
    nodes = dict(prompt.nodes)
    for node_id, values in changed.items():
        nodes[node_id] = nodes[node_id].model_copy(update={"inputs": nodes[node_id].inputs | values})
    return prompt.with_nodes(nodes, {**prompt.extra_pnginfo, "workflow": workflow})


@dataclass
class _Conversion:
    workflow: Workflow
    registry: Registry
    keep_unknown: bool
    now: datetime
    choose: Choose
    wiring: Wiring = field(default_factory=Wiring)
    controls: dict[tuple[str, str], SeedControl] = field(default_factory=dict)

    def run(self) -> ConvertedPrompt:
        board, notes = read(self.workflow, self.registry)
        self.scopes = list(Scope(board).all())
        if not self.keep_unknown:
            self.refuse_unknown()
        faults = [item.fault for item in self.running() if item.fault is not None]
        if faults:
            raise InvalidWorkflow(faults)
        items: dict[str, Item] = {}
        nodes: dict[str, PromptNode] = {}
        characters = 0
        for scope in self.scopes:
            for item in scope.board.items.values():
                if item.runs and item.kind in (Kind.NODE, Kind.UNKNOWN):
                    node_id = scope.id_of(item)
                    characters += len(node_id)
                    if characters > MAX_ID_CHARACTERS:
                        message = f"subgraphs are nested too deeply: node ids of over {MAX_ID_CHARACTERS:,} characters"
                        raise InvalidWorkflow([item.issue("nested_too_deeply", message)])
                    if node_id in nodes:
                        message = f"another node has the id {node_id!r}, too, once subgraphs are expanded"
                        raise InvalidWorkflow([item.issue("duplicate_node_id", message)])
                    items[node_id] = item
                    nodes[node_id] = self.node(scope, item)
        return ConvertedPrompt(
            {node_id: nodes[node_id] for node_id in sorted(nodes, key=_document_order)},
            extra_pnginfo={"workflow": self.workflow.document},
            items=items,
            notes=(*self.workflow.notes, *notes),
            controls=self.controls,
        )

    def running(self) -> Iterator[Item]:
        """Every node that is in the prompt or leads to others, once."""
        boards = {scope.board: None for scope in self.scopes}
        return (item for board in boards for item in board.items.values() if item.runs)

    def refuse_unknown(self) -> None:
        unknown = [item for item in self.running() if item.kind is Kind.UNKNOWN]
        if not unknown:
            return
        types = list({item.class_type: None for item in unknown})
        shown = ", ".join(repr(name) for name in types[:_MAX_HINTS])
        more = f" and {len(types) - _MAX_HINTS} more" if len(types) > _MAX_HINTS else ""
        issues = []
        for item in unknown:
            message, hint = self.registry.unknown(item.class_type)
            issues.append(item.issue("missing_node_type", message, hint=hint))
        convert = "weft convert takes --object-info FILE, or --keep-unknown"
        hint = f"unknown here: {shown}{more}; {HOW_CLASSES_GET_IN}; {convert}"
        raise InvalidWorkflow(issues, hint=hint)

    def node(self, scope: Scope, item: Item) -> PromptNode:
        """The node with its inputs: widgets in definition order, then what is linked."""
        inputs: dict[str, Any] = dict(_unknown_values(item)) if item.kind is Kind.UNKNOWN else {}
        links: dict[str, Any] = {}
        for port in item.ports:
            found = self.wiring.resolve(scope, item, port)
            if found is None and port.spec is not None:
                found = shown_outside(scope, item, port.name)
            if isinstance(found, Link):
                links[port.name] = found
                if port.spec is not None:
                    inputs[port.name] = found  # keeps the place that its value would have
            elif isinstance(found, Literal):
                value = self.written(found.fed, port.spec) if found.fed and port.spec else found.value
                inputs[port.name] = constant(value)
                self.note_control(scope, item, port, found)
            elif port.spec is not None and (value := self.widget_value(item, port)) is not MISSING:
                inputs[port.name] = constant(self.process(item, port, value))
                self.note_control(scope, item, port, None)
        if item.definition is not None and item.definition.unfolds:
            inputs = _by_choices(item, item.definition, inputs)
        return PromptNode(class_type=item.class_type, inputs=inputs | links, _meta={"title": item.title})

    def widget_value(self, item: Item, port: Port) -> Any:
        """What the widget holds, or what a PrimitiveNode wrote into it; MISSING where it holds nothing."""
        primitive = port.writer
        if primitive is None or port.spec is None or primitive_value(primitive) is None:
            return item.held.values.get(port.name, MISSING)
        return self.written(primitive, port.spec)

    def written(self, primitive: Item, spec: InputSpec) -> Any:
        """What a PrimitiveNode writes into a widget."""
        value = primitive_value(primitive)
        if isinstance(value, str) and primitive.node.properties.get("Run widget replace on values"):
            value = fill_in(value, self.now, self.lookup_unfilled)
        return fed(spec.socket, value)

    def process(self, item: Item, port: Port, value: Any) -> Any:
        """The value as it is sent: dynamic prompts expanded, tokens of file names replaced."""
        if not isinstance(value, str) or port.spec is None:
            return value
        if isinstance(port.spec.socket, String) and port.spec.socket.options.get("dynamicPrompts"):
            try:
                return expand(value, self.choose)
            except ValueError as error:
                raise InvalidWorkflow([item.issue("invalid_dynamic_prompt", str(error), port.name)]) from error
        if port.name == "filename_prefix" and item.class_type in FILE_NAMERS:
            return fill_in(value, self.now, self.lookup)
        return value

    def note_control(self, scope: Scope, item: Item, port: Port, literal: Literal | None) -> None:
        if port.spec is None or scope.is_idle:
            return
        primitive = literal.fed if literal else port.writer
        if primitive is not None and primitive_value(primitive) is not None:
            saved = primitive.node.widgets_values
            word = control_word(port.spec, saved[1] if len(saved) > 1 else None)
            control = SeedControl(word, primitive.pointer + "/widgets_values/0")
            if not has_control(port.spec) and word is ControlWord.FIXED:
                return
        elif has_control(port.spec):
            word = control_word(port.spec, item.held.controls.get(port.name, MISSING))
            control = SeedControl(word, literal.place if literal else item.place_of(port.name))
        else:
            return
        self.controls[scope.id_of(item), port.name] = control

    def lookup(self, name: str, widget: str) -> Any:
        """The value of a widget, by its node's name for search and replace, else by its title."""
        item, port = self.find(name, widget)
        if item is None or port is None:
            return primitive_value(item) if item and item.kind is Kind.PRIMITIVE and widget == "value" else None
        found = self.widget_value(item, port)
        return None if found is MISSING else found

    def lookup_unfilled(self, name: str, widget: str) -> Any:
        """The same for the text of a PrimitiveNode: tokens in what is found stay, since they might lead back to it."""
        item, port = self.find(name, widget)
        if item is None or port is None or port.writer is None:
            return item.held.values.get(widget) if item else None
        return primitive_value(port.writer)

    def find(self, name: str, widget: str) -> tuple[Item | None, Port | None]:
        item = self.by_search_name.get(name) or self.by_title.get(name)
        ports = item.ports if item else []
        return item, next((port for port in ports if port.name == widget and port.spec is not None), None)

    @cached_property
    def by_search_name(self) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for item in self.all_items():
            name = item.node.properties.get("Node name for S&R")
            if isinstance(name, str):
                found.setdefault(name, item)
        return found

    @cached_property
    def by_title(self) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for item in self.all_items():
            found.setdefault(item.title, item)
        return found

    def all_items(self) -> Iterator[Item]:
        return (item for scope in self.scopes for item in scope.board.items.values())


def _by_choices(item: Item, definition: NodeDefinition, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that belong to the choices as they are sent: an instance, or a primitive, may choose otherwise.

    What the saved choice brought goes then, and what the new one brings has its default.
    """
    declared = definition.given(inputs)
    saved = {port.name for port in item.ports if port.spec is not None}
    inputs = {name: value for name, value in inputs.items() if name in declared or name not in saved}
    while True:
        defaults = {
            name: constant(default)
            for name, spec in definition.given(inputs).items()
            if name not in inputs and is_widget(spec) and (default := default_of(spec.socket)) is not MISSING
        }
        if not defaults:
            return inputs
        inputs |= defaults


def _document_order(node_id: str) -> tuple[int, int]:
    """Whole numbers ascending, then the rest as they come: the order of keys in JavaScript."""
    is_index = node_id.isascii() and node_id.isdecimal() and len(node_id) <= 10 and str(int(node_id)) == node_id
    return (0, int(node_id)) if is_index else (1, 0)


def _unknown_values(item: Item) -> Iterator[tuple[str, Any]]:
    """The values of a node whose class is not known: by name if saved so, else `UNKNOWN`, `UNKNOWN_1`, ..."""
    for index, entry in enumerate(Saved(item.node.widgets_values, item.node.widgets_values_named).listed):
        if not entry.is_editors_own:
            yield entry.name or (f"UNKNOWN_{index}" if index else "UNKNOWN"), constant(plain(entry.value))
