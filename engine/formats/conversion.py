"""Workflow -> Prompt: what ComfyUI's editor sends to the server when a saved workflow is queued.

The rules are the frontend's. Where its versions 1.27 and 1.58 differ, the one that loses nothing is followed: texts
are kept per instance of a subgraph, a linked widget whose source is muted keeps its value, a muted reroute or subgraph
blocks, values saved by name are read by name. Seeds are never changed, nor rounded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from weft.engine.documents import pointer
from weft.engine.errors import InvalidWorkflow, Issue
from weft.engine.formats.canvases import EditorInput, EditorNode, GraphUse
from weft.engine.formats.controls import ControlWord, SeedControl, control_word
from weft.engine.formats.lookups import Widgets, is_filled, primitive_place
from weft.engine.formats.promotion import Home, shown
from weft.engine.formats.reading import read
from weft.engine.formats.texts import Choose, expand, fill_in, first_option, has_choices
from weft.engine.formats.widgets import MISSING, Saved, default_of, has_control, is_widget, plain
from weft.engine.formats.wiring import Literal, Wiring, primitive_value, shown_outside
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.frontend import NodeKind
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import HOW_CLASSES_GET_IN, Registry
from weft.engine.schema.sockets import String
from weft.engine.workflow.prompt import OWN, Link, Prompt, PromptNode, Shown, wrapped

MAX_ID_CHARACTERS = 32_000_000
"""The most characters that all node ids of a prompt may have: those of nested subgraphs are paths."""

FILE_NAME = "filename_prefix"

_MAX_HINTS = 20


class QueuedText(NamedTuple):
    """A text that the editor writes anew whenever it queues the workflow, as its widget holds it.

    `primitive` is the PrimitiveNode that wrote it there and in whose text tokens are replaced, if any; what comes
    through the wall of a subgraph `is_sent_as_it_is`.
    """

    port: EditorInput
    value: str
    primitive: EditorNode | None = None
    is_sent_as_it_is: bool = False


class ConvertedPrompt(Prompt):
    """A prompt made from a workflow: issues point into the workflow's document.

    `notes` is what is broken in the document and was left out, as the editor leaves it out; `controls` is by node id
    and input name; `moment` is when it is sent. A value that is changed is one that is typed into its widget: tokens
    and choices in it act.
    """

    def __init__(
        self,
        nodes: Mapping[str, PromptNode],
        *,
        extra_pnginfo: Mapping[str, Any],
        items: Mapping[str, EditorNode],
        notes: tuple[Issue, ...],
        controls: Mapping[tuple[str, str], SeedControl],
        texts: Mapping[tuple[str, str], QueuedText],
        places: Mapping[tuple[str, str], str],
        uses: Sequence[GraphUse],
        homes: Sequence[Home],
    ) -> None:
        super().__init__(nodes, extra_pnginfo=extra_pnginfo)
        self.notes = notes
        self.controls = controls
        self._items = items
        self._texts = texts
        self._places = places
        self._scopes = uses
        self._homes = homes
        self._changed: Mapping[str, Any] = {}
        self._drawn: Mapping[tuple[str, str], str] = {}
        self.moment = datetime.min

    def reduced(self, nodes: Collection[str]) -> Self:
        prompt = super().reduced(nodes)
        prompt._texts = {key: text for key, text in self._texts.items() if key[0] in nodes}
        return prompt

    def with_values(self, values: Mapping[tuple[str, str], Any]) -> Self:
        prompt = super().with_values(values)
        texts, changed = dict(self._texts), dict(self._changed)
        drawn = {key: text for key, text in self._drawn.items() if key not in values}
        for key, value in values.items():
            item, port = self.origin(*key)
            texts.pop(key, None)
            if port is not None and port.spec is not None and type(value) is not Link:
                changed |= dict.fromkeys((item.place_of(key[1]), self.place(*key)), value)
                if isinstance(value, str) and (self.is_dynamic(port) or _names_files(item, port)):
                    texts[key] = QueuedText(port, value)
        prompt._texts, prompt._changed, prompt._drawn = texts, changed, drawn
        return prompt.sent(datetime.now())

    def sent(self, now: datetime, choose: Choose | None = None) -> Self:
        """The prompt as the editor would send it at `now`: tokens replaced, dynamic prompts as they were drawn."""
        widgets = Widgets(self._scopes, now, self._changed)
        drawn = dict(self._drawn) if choose is None else {}
        nodes = dict(self.nodes)
        for (node_id, name), text in self._texts.items():
            item, value = self._items[node_id], text.value
            if text.primitive is not None and text.port.spec is not None:
                value = widgets.written(text.primitive, text.port.spec)
            if text.is_sent_as_it_is:
                pass
            elif _names_files(item, text.port):
                value = fill_in(value, now, widgets.look_up)
            elif self.is_dynamic(text.port):
                if (node_id, name) not in drawn:
                    drawn[node_id, name] = _expanded(item, name, value, choose or first_option)
                value = drawn[node_id, name]
            inputs = nodes[node_id].inputs
            if inputs.get(name) != value:
                nodes[node_id] = nodes[node_id].model_copy(update={"inputs": {**inputs, name: value}})
        prompt = self.with_nodes(nodes)
        prompt._drawn, prompt.moment = drawn, now
        return prompt

    @property
    def shown(self) -> Mapping[str, Shown]:
        return shown(self._homes, self._scopes, self._places)

    @property
    def varies(self) -> bool:
        return super().varies or bool(self.undecided)

    @property
    def undecided(self) -> set[tuple[str, str]]:
        """The inputs, by node id and name, whose text could have come out otherwise: dynamic prompts with a choice."""
        return {
            key
            for key, text in self._texts.items()
            if not text.is_sent_as_it_is and self.is_dynamic(text.port) and has_choices(text.value)
        }

    @property
    def names(self) -> set[tuple[str, str]]:
        """The inputs, by node id and name, that are names of files in which tokens are replaced."""
        return {key for key, text in self._texts.items() if _names_files(self._items[key[0]], text.port)}

    @property
    def typed(self) -> Mapping[tuple[str, str], Any]:
        return {key: text.value for key, text in self._texts.items()}

    @staticmethod
    def is_dynamic(port: EditorInput) -> bool:
        """Whether the text of a widget is a dynamic prompt."""
        socket = port.spec.socket if port.spec is not None else None
        return isinstance(socket, String) and bool(socket.options.get("dynamicPrompts"))

    def origin(self, node_id: str, input_name: str) -> tuple[EditorNode, EditorInput | None]:
        """The node of the workflow that became this one, and its input of that name."""
        item = self._items[node_id]
        return item, next((port for port in item.inputs if port.name == input_name), None)

    def place(self, node_id: str, input_name: str) -> str:
        """The JSON pointer of the widget that an input's value stands in, through PrimitiveNodes and subgraphs."""
        return self._places.get((node_id, input_name)) or self._items[node_id].place_of(input_name)

    def at(self, node_id: str, input_name: str | None = None) -> str:
        """The JSON pointer of a node, or of the socket or the widget value that an input comes from."""
        item = self._items.get(node_id)
        if item is None:
            return super().at(node_id, input_name)
        port = next((port for port in item.inputs if port.name == input_name), None)
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


@dataclass
class _Conversion:
    workflow: Workflow
    registry: Registry
    keep_unknown: bool
    now: datetime
    choose: Choose
    wiring: Wiring = field(default_factory=Wiring)
    controls: dict[tuple[str, str], SeedControl] = field(default_factory=dict)
    texts: dict[tuple[str, str], QueuedText] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def run(self) -> ConvertedPrompt:
        graph, notes = read(self.workflow, self.registry)
        self.uses = list(GraphUse(graph).all())
        self.widgets = Widgets(self.uses, self.now)
        left_out = {} if self.keep_unknown else self.unneeded()
        if not self.keep_unknown:
            self.refuse_unknown(left_out)
        faults = [item.fault for item in self.running() if item.fault is not None]
        if faults:
            raise InvalidWorkflow(faults)
        items: dict[str, EditorNode] = {}
        homes: list[Home] = []
        nodes: dict[str, PromptNode] = {}
        characters = 0
        for use in self.uses:
            for item in use.graph.nodes.values():
                if item.runs and item.kind in (NodeKind.NODE, NodeKind.UNKNOWN) and item not in left_out:
                    node_id = use.id_of(item)
                    characters += len(node_id)
                    if characters > MAX_ID_CHARACTERS:
                        message = f"subgraphs are nested too deeply: node ids of over {MAX_ID_CHARACTERS:,} characters"
                        raise InvalidWorkflow([item.issue("nested_too_deeply", message)])
                    if node_id in nodes:
                        message = f"another node has the id {node_id!r}, too, once subgraphs are expanded"
                        raise InvalidWorkflow([item.issue("duplicate_node_id", message)])
                    items[node_id] = item
                    homes.append(Home(node_id, item, use))
                    nodes[node_id] = self.node(use, item)
        prompt = ConvertedPrompt(
            {node_id: nodes[node_id] for node_id in sorted(nodes, key=_document_order)},
            extra_pnginfo={"workflow": self.workflow.document},
            items=items,
            notes=(*self.workflow.notes, *notes, *map(_left_out, left_out)),
            controls=self.controls,
            texts=self.texts,
            places=self.places,
            uses=self.uses,
            homes=homes,
        )
        prompt.made = self.workflow.made
        return prompt.sent(self.now, self.choose)

    def running(self) -> Iterator[EditorNode]:
        """Every node that is in the prompt or leads to others, once."""
        graphs = {use.graph: None for use in self.uses}
        return (item for graph in graphs for item in graph.nodes.values() if item.runs)

    def unneeded(self) -> dict[EditorNode, None]:
        """The nodes of unknown classes that nothing known is fed by: most exist in the browser only.

        None where without them no output is left.
        """
        running = list(self.running())
        if not any(item.schema is not None and item.schema.output_node for item in running):
            return {}
        fed = [item for item in running if item.kind in (NodeKind.NODE, NodeKind.INSTANCE)]
        ports = [port for item in fed for port in item.inputs]
        ports += [port for use in self.uses for port in use.graph.results.values()]
        needed: set[EditorNode] = set()
        while ports:
            origin = ports.pop().origin
            if origin is not None and origin not in needed:
                needed.add(origin)
                setters = origin.setters() if origin.kind is NodeKind.GETTER else ()
                ports += [port for item in (origin, *setters) for port in item.inputs]
        return {item: None for item in running if item.kind is NodeKind.UNKNOWN and item not in needed}

    def refuse_unknown(self, left_out: Collection[EditorNode]) -> None:
        unknown = [item for item in self.running() if item.kind is NodeKind.UNKNOWN and item not in left_out]
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

    def node(self, use: GraphUse, item: EditorNode) -> PromptNode:
        """The node with its inputs: widgets in schema order, then what is linked."""
        inputs: dict[str, Any] = dict(_unknown_values(item)) if item.kind is NodeKind.UNKNOWN else {}
        links: dict[str, Any] = {}
        for port in item.inputs:
            found = self.wiring.resolve(use, item, port)
            if found is None and port.spec is not None:
                found = shown_outside(use, item, port.name)
            if isinstance(found, Link):
                links[port.name] = found
                if port.spec is not None:
                    inputs[port.name] = found  # keeps the place that its value would have
            elif isinstance(found, Literal):
                value = self.widgets.written(found.fed, port.spec) if found.fed and port.spec else found.value
                inputs[port.name] = wrapped(value)
                self.note_text(use, item, port, value, found)
                self.note_control(use, item, port, found)
            elif port.spec is not None and (value := self.widgets.value(item, port)) is not MISSING:
                inputs[port.name] = wrapped(value)
                self.note_text(use, item, port, value, None)
                self.note_control(use, item, port, None)
        if item.schema is not None and item.schema.unfolds:
            inputs = _by_choices(item, item.schema, inputs)
        inputs |= {name: wrapped(plain(value)) for name, value in item.held.made.items()}
        meta = {"title": item.title}
        if OWN in item.node.properties:
            meta[OWN] = item.node.properties[OWN]
        return PromptNode(class_type=item.class_type, inputs=inputs | links, _meta=meta)

    def note_text(
        self, use: GraphUse, item: EditorNode, port: EditorInput, value: Any, literal: Literal | None
    ) -> None:
        """Remember where a value comes from, and a text that is written anew for every run."""
        key = use.id_of(item), port.name
        primitive = literal.fed if literal else port.writer
        if literal is not None and literal.fed is None:
            self.places[key] = literal.place
        elif primitive is not None and primitive_value(primitive) is not None:
            self.places[key] = primitive_place(primitive)
        if not isinstance(value, str):
            return
        filled = primitive if primitive is not None and is_filled(primitive) else None
        is_rewritten = ConvertedPrompt.is_dynamic(port) or _names_files(item, port)
        if filled is not None or (literal is None and is_rewritten):
            self.texts[key] = QueuedText(port, value, filled, is_sent_as_it_is=literal is not None)

    def note_control(self, use: GraphUse, item: EditorNode, port: EditorInput, literal: Literal | None) -> None:
        if port.spec is None:
            return
        primitive = literal.fed if literal else port.writer
        if primitive is not None and primitive_value(primitive) is not None:
            saved = primitive.node.widgets_values
            word = control_word(port.spec, saved[1] if len(saved) > 1 else None)
            control = SeedControl(word, primitive_place(primitive))
            if not has_control(port.spec) and word is ControlWord.FIXED:
                return
        elif has_control(port.spec):
            word = control_word(port.spec, item.held.controls.get(port.name, MISSING))
            control = SeedControl(word, literal.place if literal else item.place_of(port.name))
        else:
            return
        self.controls[use.id_of(item), port.name] = control


def _names_files(item: EditorNode, port: EditorInput) -> bool:
    """Whether the editor replaces the tokens in a widget's text."""
    return port.name == FILE_NAME and item.handling.fills_in


def _expanded(item: EditorNode, name: str, text: str, choose: Choose) -> str:
    try:
        return expand(text, choose)
    except ValueError as error:
        raise InvalidWorkflow([item.issue("invalid_dynamic_prompt", str(error), name)]) from error


def _by_choices(item: EditorNode, schema: NodeSchema, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that belong to the choices as they are sent: an instance, or a primitive, may choose otherwise.

    What the saved choice brought goes then, and what the new one brings has its default.
    """
    declared = schema.given(inputs)
    saved = {port.name for port in item.inputs if port.spec is not None}
    inputs = {name: value for name, value in inputs.items() if name in declared or name not in saved}
    while True:
        defaults = {
            name: wrapped(default)
            for name, spec in schema.given(inputs).items()
            if name not in inputs and is_widget(spec) and (default := default_of(spec.socket)) is not MISSING
        }
        if not defaults:
            return inputs
        inputs |= defaults


def _document_order(node_id: str) -> tuple[int, int]:
    """Whole numbers ascending, then the rest as they come: the order of keys in JavaScript."""
    is_index = node_id.isascii() and node_id.isdecimal() and len(node_id) <= 10 and str(int(node_id)) == node_id
    return (0, int(node_id)) if is_index else (1, 0)


def _left_out(item: EditorNode) -> Issue:
    return item.issue("node_left_out", f"unknown node class {item.class_type!r}; left out, since nothing is fed by it")


def _unknown_values(item: EditorNode) -> Iterator[tuple[str, Any]]:
    """The values of a node whose class is not known: by name if saved so, else `UNKNOWN`, `UNKNOWN_1`, ..."""
    for index, entry in enumerate(Saved(item.node.widgets_values, item.node.widgets_values_named).listed):
        if not entry.is_editors_own:
            yield entry.name or (f"UNKNOWN_{index}" if index else "UNKNOWN"), wrapped(plain(entry.value))
