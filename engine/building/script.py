"""A prompt as the program that builds it: `weft convert --to python`.

Each call is made, on a graph of its own, before it is written: where it does not give the node as it is in the prompt
(values that no node of its class may have, widgets without a value), it is written so that it is taken `_as_is`.
"""

from __future__ import annotations

import builtins
import keyword
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.engine.arguments import PathLike
from weft.engine.building.calls import ABOUT, UNFOLDING, attributes, is_name
from weft.engine.building.graph import Graph
from weft.engine.building.nodes import RESERVED
from weft.engine.documents import is_deeper
from weft.engine.errors import InvalidWorkflow, Issue, WeftError, one_line
from weft.engine.formats import making
from weft.engine.formats.sources import NAME_OF_STDIN, WorkflowSource, name_of
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.sockets import Autogrow
from weft.engine.session import Session
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.prompt import MAX_DEPTH, Link, PromptNode
from weft.engine.workflow.validation import output_nodes

_WIDTH = 110
_METHODS = frozenset(dir(Graph))
_TAKEN = frozenset((*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "g", "Graph", "run", "file"))


def script_of(graph: Graph, name: str, *, object_info: str = "") -> tuple[str, list[Issue]]:
    """The program that builds the graph, with the ids that its nodes have, and runs it where it is run itself.

    `name` is what its first line says that it builds; `object_info` names a file that describes classes. The issues are
    about nodes that are taken as they are, and why. Raises InvalidWorkflow where a class is not known: what such a node
    gives cannot be named.
    """
    obstacles = list(_obstacles(graph))
    if obstacles:
        raise InvalidWorkflow(obstacles)
    script = _Script(graph)
    lines = list(script.lines())
    given = ", ".join(f"{name}={_value(value)}" for name, value in _settings(graph, object_info).items())
    shown = " ".join(name.split()).replace("\\", "/").replace('"', "'")
    head = [f'"""Builds {shown}; made by `weft convert --to python`."""', "", "from weft import Graph, run", ""]
    foot = ["", 'if __name__ == "__main__":', "    for file in run(g).files:", "        print(file)", ""]
    text = "\n".join([*head, f"g = Graph({given})", *lines, *foot])
    return text.encode("utf-8", "backslashreplace").decode(), script.issues


def _obstacles(graph: Graph) -> Iterator[Issue]:
    """What no call can say."""
    for node_id, node in graph.prompt.nodes.items():
        if node.class_type not in graph.registry:
            message, hint = graph.registry.unknown(node.class_type)
            yield Issue("missing_node_type", message, node_id, node.class_type, node.title, hint=hint)
        for name in ABOUT:
            if name in node.inputs:
                message = f"no call gives an input of this name: {name} is said of the node itself"
                yield Issue("invalid_input_name", message, node_id, node.class_type, node.title, name)


def program(
    session: Session, workflow: WorkflowSource, *, ui: bool = False, object_info: PathLike | None = None
) -> tuple[str, Sequence[Issue]]:
    """What `weft convert --to python` writes, and what is lost on the way. Raises as Session.read and script_of."""
    prompt = session.read(workflow, ui=ui)
    name = Path(name_of(workflow)).name if isinstance(workflow, str | os.PathLike) else NAME_OF_STDIN
    said = os.fspath(object_info) if object_info is not None else ""
    text, issues = script_of(Graph.on(session, prompt), f"the graph of {name}", object_info=said)
    return text, [*prompt.notes, *issues, *making.forgotten(prompt, session.packs)]


def _settings(graph: Graph, object_info: str) -> dict[str, Any]:
    """What the program tells its Graph, so that it knows the classes."""
    session, used = graph.session, set(graph.prompt.classes.values())
    found: dict[str, Any] = {}
    if any(not used.isdisjoint(pack.nodes) for pack in session.custom_nodes):
        places = {name: [str(place) for place in getattr(session.settings, name)] for name in ("custom_nodes", "nodes")}
        found |= {name: value for name, value in places.items() if value}
    return found | {"object_info": object_info} if object_info else found


class _Script:
    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.prompt.nodes
        self.registry = graph.registry
        self.made = type(graph).on(graph.session)
        self.order = self._order(graph)
        self.issues: list[Issue] = []
        self.written: set[str] = set()
        self.names: dict[str, str] = {}
        taken = set(_TAKEN)
        feeding = {link.node_id for node in self.nodes.values() for _, link in node.links}
        for node_id in (each for each in self.order if each in feeding):
            node = self.nodes[node_id]
            self.names[node_id] = _variable(node, self.registry[node.class_type], taken)

    def _order(self, graph: Graph) -> list[str]:
        """What a node takes from comes first, one output's chain after the other; in a circle nothing can."""
        links = PromptGraph(graph.prompt)
        if links.cycles():
            return list(self.nodes)
        return links.order([*output_nodes(graph.prompt, graph.registry), *self.nodes])

    def lines(self) -> Iterator[str]:
        for node_id in self.order:
            node = self.nodes[node_id]
            schema = self.registry[node.class_type]
            dotted = (
                is_name(node.class_type) and not node.class_type.startswith("_") and node.class_type not in _METHODS
            )
            called = f"g.{node.class_type}" if dotted else f"g[{_value(node.class_type)}]"
            start = f"{self.names[node_id]} = {called}" if node_id in self.names else called
            arguments, against = self.arguments(node_id, node, schema)
            if against:
                yield f"# As it is: {one_line(against)}"
                message = f"it is taken as it is: {against}"
                self.issues.append(Issue("taken_as_is", message, node_id, node.class_type, node.title))
            yield from _call(start, arguments)
            self.written.add(node_id)

    def arguments(self, node_id: str, node: PromptNode, schema: NodeSchema) -> tuple[Sequence[str], str]:
        """What stands between the brackets, and what is against a call that checks; makes the same call."""
        title = node.title if node.title not in (None, schema.display_name or schema.class_type) else None
        meta = {name: value for name, value in node.meta.items() if name != "title"}
        about: dict[str, Any] = {
            **({"_id": node_id} if node_id != str(len(self.made) + 1) else {}),
            **({"_title": title} if title is not None else {}),
            **({"_meta": meta} if meta and not is_deeper(meta, MAX_DEPTH) else {}),
        }
        ordered = [*(name for name in schema.given(node.inputs) if name in node.inputs), *node.inputs]
        given = _folded(schema, {name: _unwrapped(node.inputs[name]) for name in dict.fromkeys(ordered)})
        if against := self.against(node_id, node, given, about):
            given, about = dict(node.inputs), {**about, "_as_is": True}
            self.made[node.class_type](**{name: self.raw(value) for name, value in given.items()}, **about)
        named = [f"{name}={self.source(value)}" for name, value in given.items() if is_name(name)]
        others = [f"{_value(name)}: {self.source(value)}" for name, value in given.items() if not is_name(name)]
        said = [f"{name}={_value(value)}" for name, value in about.items()]
        return [*named, *([f"**{{{', '.join(others)}}}"] if others else []), *said], against

    def against(self, node_id: str, node: PromptNode, given: Mapping[str, Any], about: Mapping[str, Any]) -> str:
        """Make the node by a checked call; what is against it, if it does not become what it is in the prompt."""
        try:
            made = self.made[node.class_type](**{name: self.live(value) for name, value in given.items()}, **about)
        except InvalidWorkflow as error:
            return "; ".join(
                f"{issue.input}: {issue.message}" if issue.input else issue.message for issue in error.issues
            )
        except (WeftError, IndexError) as error:
            return str(error)
        inputs = self.made.prompt.nodes[made.id].inputs
        if _written_alike(inputs, node.inputs):
            return ""
        self.made.remove(made)
        filled = [name for name in inputs if name not in node.inputs]
        return f"the prompt has no {', '.join(filled)}" if filled else "its values have another form"

    def live(self, value: Any) -> Any:
        """The value for a call of the graph that is built beside: outputs for links."""
        if type(value) is Link:
            return self.made.find(value.node_id)[value.slot]
        if isinstance(value, _Row):
            return [self.live(each) for each in value]
        if isinstance(value, _Parts):
            return {name: self.live(each) for name, each in value.items()}
        return value

    def raw(self, value: Any) -> Any:
        return list(value) if type(value) is Link else value

    def source(self, value: Any) -> str:
        """The value as it is written."""
        if isinstance(value, _Row):
            return f"[{', '.join(map(self.source, value))}]"
        if isinstance(value, _Parts):
            return "{" + ", ".join(f"{_value(name)}: {self.source(each)}" for name, each in value.items()) + "}"
        if type(value) is not Link:
            return _value(value)
        outputs = self.registry[self.nodes[value.node_id].class_type].declared if value.node_id in self.nodes else ()
        if value.node_id not in self.written or not 0 <= value.slot < len(outputs):
            return _value(list(value))
        if len(outputs) == 1:
            return self.names[value.node_id]
        return f"{self.names[value.node_id]}.{attributes(outputs, RESERVED)[value.slot]}"


class _Row(list[Any]):
    """What an input grows to, in its order."""


class _Parts(dict[str, Any]):
    """What an input unfolds to, by name."""


def _folded(schema: NodeSchema, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with those that belong to one that unfolds in a list or a mapping of theirs."""
    if not schema.unfolds:
        return dict(inputs)
    found: dict[str, Any] = {}
    for name, value in inputs.items():
        above = name.partition(".")[0]
        spec = schema.by_name.get(above)
        if spec is None or not isinstance(spec.socket, UNFOLDING) or (name in schema.by_name and name != above):
            found[name] = value
            continue
        parts = found.setdefault(above, _Parts())
        parts[name if name == above else name.removeprefix(f"{above}.")] = value
    for name, parts in found.items():
        spec = schema.by_name.get(name)
        if not isinstance(parts, _Parts) or spec is None:
            continue
        if parts.keys() == {name}:
            found[name] = parts[name]
        elif isinstance(spec.socket, Autogrow) and tuple(parts) == spec.socket.names[: len(parts)]:
            found[name] = _Row(parts.values())
    return found


def _unwrapped(value: Any) -> Any:
    """A list as a call takes it."""
    if type(value) is dict and value.keys() == {"__value__"} and isinstance(value["__value__"], list):
        return value["__value__"]
    return value


def _written_alike(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether both have the same inputs, and these are the same as they are written: 1, 1.0 and true are not."""
    return made.keys() == wanted.keys() and all(repr(made[name]) == repr(wanted[name]) for name in wanted)


def _variable(node: PromptNode, schema: NodeSchema, taken: set[str]) -> str:
    """What the node is called: after its title, else its class."""
    own = node.title if node.title != schema.display_name else None
    found = next((name for text in (own, node.class_type) if text and (name := _snake(text))), "node")
    name, number = found, 1
    while name in taken:
        number += 1
        name = f"{found}_{number}"
    taken.add(name)
    return name


def _snake(text: str) -> str:
    """`positive_prompt`, `clip_text_encode`, `ksampler`; empty where nothing is left of it."""
    text = text.replace("LoRA", "Lora")
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z])", "_", text)
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]+", "_", text)).strip("_").lower()[:40].rstrip("_")
    return f"n{name}" if name[:1].isdigit() else name


def _call(start: str, arguments: Sequence[str]) -> Iterator[str]:
    """The call on one line, or one line for each argument."""
    line = f"{start}({', '.join(arguments)})"
    if len(line) <= _WIDTH and "\n" not in line:
        yield line
        return
    yield f"{start}("
    yield from (f"    {argument}," for argument in arguments)
    yield ")"


def _value(value: Any) -> str:
    """A value of JSON as Python writes it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(name)}: {_value(each)}" for name, each in value.items()) + "}"
    return repr(value)


def _text(text: str) -> str:
    """A text in double quotes, where it has none."""
    written = repr(text)
    return f'"{written[1:-1]}"' if written[0] == "'" and '"' not in text else written
