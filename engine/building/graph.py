"""Graph: a workflow that is built in Python, a node a call.

Invariants:
- What the graph holds is a prompt at any time; its nodes and outputs are names for places in it, and hold nothing.
- A node that is made, or changed, has no fault that can be seen without folders: what is wrong is raised by the call
  that says it, and nothing has changed then. Only what is taken `_as_is` may be anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from weft.engine.building.calls import ABOUT, attributes, by_name, constant, signature_of, strays, with_defaults
from weft.engine.building.nodes import RESERVED, GraphNode, GraphSource, NoSuchName, SoleNode, listed
from weft.engine.errors import InvalidWorkflow, Issue, UsageError, did_you_mean, python_warning
from weft.engine.formats.canonical import formatted
from weft.engine.formats.sources import WorkflowSource
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import fits, type_name
from weft.engine.session import FORMATS, Session
from weft.engine.wholefiles import write_whole
from weft.engine.workflow.overrides import find_node
from weft.engine.workflow.prompt import Link, Prompt, PromptNode, wrapped
from weft.engine.workflow.validation import problems


class NodeMaker:
    """A class of a graph: called, it adds a node. What it takes is told by `help()`.

    Beside inputs a call takes `_title`, `_id` (default: the next number that is free), `_meta` (what else stands at
    `_meta` in the API format) and `_as_is`: the inputs are taken as they are given, nothing is filled in or looked at.
    """

    def __init__(self, graph: Graph, schema: NodeSchema) -> None:
        self.schema = schema
        self._graph = graph
        self.__name__ = schema.class_type
        self.__signature__ = signature_of(schema)
        gives = ", ".join(attributes(schema.declared, RESERVED)) or "no output"
        self.__doc__ = f"{schema.description}\n\n{schema.class_type}{self.__signature__} -> {gives}"

    def __call__(self, /, *positional: Any, **inputs: Any) -> Any:
        """The node, with the inputs that are given and defaults for the others.

        Raises UsageError for a call that makes no sense, InvalidWorkflow for inputs that cannot be.
        """
        return self._graph._add(self.schema, positional, inputs)

    def __repr__(self) -> str:
        return f"<node class {self.schema.class_type}>"


class Graph:
    """A workflow to which nodes are added by calls: `g.KSampler(model=m.model, ...)`, `g["KSampler (Efficient)"](...)`.

    Wherever a workflow is taken, a graph is. Settings are those of `weft.run`: `registry`, `custom_nodes` and `nodes`
    say which classes there are. `name` in `g[name]` is a class_type, or what the editor calls a class.
    """

    def __init__(self, **settings: Any) -> None:
        self._begin(Session(**settings), Prompt({}))

    def _begin(self, session: Session, prompt: Prompt) -> None:
        self._session = session
        self._nodes = dict(prompt.nodes)
        self._extra: Mapping[str, Any] = prompt.extra_pnginfo
        self._made: Mapping[str, Any] = prompt.made

    @classmethod
    def on(cls, session: Session, prompt: Prompt | None = None) -> Self:
        """A graph with the classes of a session, which begins empty, or as this prompt."""
        graph = cls.__new__(cls)
        graph._begin(session, prompt if prompt is not None else Prompt({}))
        return graph

    @classmethod
    def load(cls, workflow: WorkflowSource, **settings: Any) -> Self:
        """The graph of a workflow in any form, to be changed: `find` and `nodes` give its nodes, `set` changes one.

        Nothing of it is checked. Saved for the editor again, it keeps its places, groups and notes as far as what was
        changed lets it. Raises UnreadableWorkflow, and InvalidWorkflow where the editor's form makes no prompt.
        """
        session = cls(**settings).session
        return cls.on(session, session.read(workflow))

    @property
    def registry(self) -> Registry:
        """The classes that there are."""
        return self._session.registry

    @property
    def session(self) -> Session:
        """Where its settings are, and the packs that they name."""
        return self._session

    @property
    def prompt(self) -> Prompt:
        """The prompt that it is now."""
        prompt = Prompt(self._nodes, extra_pnginfo=self._extra)
        prompt.made = self._made
        return prompt

    @property
    def contents(self) -> Mapping[str, PromptNode]:
        """The nodes of that prompt, by id."""
        return self._nodes

    @property
    def nodes(self) -> list[GraphNode]:
        """Its nodes, in the order in which they were added."""
        return [self.at(node_id) for node_id in self._nodes]

    def find(self, reference: str) -> GraphNode:
        """The node of that id, title or class; `NAME#2` is the second of several. Raises UsageError."""
        return self.at(find_node(self.prompt, reference, self.registry))

    def remove(self, node: GraphNode) -> None:
        """Take a node away. Raises UsageError where another one takes from it."""
        readers = [
            self.at(reader) for reader, each in self._nodes.items() for _, link in each.links if link[0] == node.id
        ]
        if readers:
            others = listed(each.where for each in readers)
            raise UsageError(f"{node.where} cannot be removed: it feeds {others}")
        del self._nodes[node.id]

    def to_prompt(self) -> dict[str, Any]:
        """The API format, as plain JSON data."""
        return self.prompt.to_json()

    def to_workflow(self) -> dict[str, Any]:
        """The editor's form, as plain JSON data, laid out; what it has no place for is warned of.

        Raises InvalidWorkflow for a prompt that the editor has no form for.
        """
        from weft.engine.formats.editor import losses, to_workflow
        from weft.engine.formats.written import workflow_of

        prompt = self.prompt
        document = workflow_of(prompt, self.registry) or to_workflow(prompt, self.registry)
        for loss in losses(prompt, document, self.registry):
            python_warning(str(loss))
        return document

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write it to a file, whole or not at all, in its canonical form (`weft fmt`).

        `format` is `api` or `ui`; default: `api` where the name ends with `.api.json`, else `ui`. Raises UsageError,
        OSError, and as `to_workflow`.
        """
        found = format or ("api" if os.fspath(path).endswith(".api.json") else "ui")
        if found not in FORMATS:
            near = did_you_mean(found, FORMATS)
            raise UsageError(f"unknown format {found!r}: expected {listed(FORMATS)}", hint=near)
        document = self.to_prompt() if found == "api" else self.to_workflow()
        write_whole(Path(path), formatted(json.dumps(document), os.fspath(path), self.registry).encode())

    def __getitem__(self, name: str) -> NodeMaker:
        if name in self.registry:
            return NodeMaker(self, self.registry[name])
        shown = [schema for schema in self.registry.schemas(lambda message: None) if schema.display_name == name]
        if len(shown) == 1:
            return NodeMaker(self, shown[0])
        message, hint = self.registry.unknown(name)
        if shown:
            message, hint = f"{name!r} is the title of several classes", listed([each.class_type for each in shown])
        raise NoSuchName(message, hint=hint or did_you_mean(name, [*self.registry, *_METHODS]))

    if not TYPE_CHECKING:  # a type checker knows the classes from a stub

        def __getattr__(self, name: str) -> NodeMaker:
            if name.startswith("_"):
                raise AttributeError(name)
            return self[name]

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *(name for name in self.registry if name.isidentifier())]

    def __len__(self) -> int:
        return len(self._nodes)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, node: object) -> bool:
        return isinstance(node, GraphNode) and node.graph is self and node.id in self._nodes

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        return f"<graph of {len(self)} nodes>"

    def at(self, node_id: str) -> GraphNode:
        """The node with this id."""
        found = self.registry.find(self._nodes[node_id].class_type)
        sole = found is not None and len(found.schema.declared) == 1
        return (SoleNode[Any] if sole else GraphNode)(self, node_id)

    def _add(self, schema: NodeSchema, positional: tuple[Any, ...], named: Mapping[str, Any]) -> GraphNode:
        """What the call of a NodeMaker does."""
        about = {name: named[name] for name in ABOUT if name in named}
        given = {name: value for name, value in named.items() if name not in about}
        node_id = str(about["_id"]) if about.get("_id") is not None else self._free()
        if node_id in self._nodes:
            raise UsageError(f"there is a node {node_id} already: {self.at(node_id).where}")
        title = about.get("_title") or schema.display_name or schema.class_type
        meta = {"title": title, **(about.get("_meta") or {})}
        if about.get("_as_is"):
            inputs = {name: constant(name, value, self._linked(schema)) for name, value in given.items()}
            node = PromptNode(class_type=schema.class_type, inputs=inputs, _meta=meta)
        else:
            node = self._made_of(node_id, schema, by_name(schema, positional, given), meta)
        self._nodes[node_id] = node
        return self.at(node_id)

    def change(self, node: GraphNode, named: Mapping[str, Any]) -> None:
        """What GraphNode.set does."""
        before, schema = self._nodes[node.id], self.registry[node.class_type]
        title = named.get("_title") or before.title
        given = {name: value for name, value in named.items() if name not in ABOUT}
        kept = {name: value for name, value in before.inputs.items() if name not in given}
        meta = {**before.meta, **({"title": title} if title else {}), **(named.get("_meta") or {})}
        self._nodes[node.id] = self._made_of(node.id, schema, by_name(schema, (), given), meta, kept)

    def _made_of(
        self,
        node_id: str,
        schema: NodeSchema,
        given: Mapping[str, Any],
        meta: Any,
        kept: Mapping[str, Any] | None = None,
    ) -> PromptNode:
        """A node that nothing is wrong with. Raises InvalidWorkflow."""
        linked = self._linked(schema)
        read = {name: wrapped(constant(name, value, linked)) for name, value in given.items()}
        inputs = with_defaults(schema, {**(kept or {}), **read})
        node = PromptNode(class_type=schema.class_type, inputs=inputs, _meta=meta)
        found = self.registry.find(schema.class_type)
        assert found is not None
        name, title = schema.class_type, node.title
        issues = [
            Issue("undeclared_input", f"{name} has no input {stray!r}", node_id, name, title, hint=hint)
            for stray, hint in strays(found, read)
        ]
        prompt = self.prompt.with_nodes({**self._nodes, node_id: node})
        issues += problems(prompt, node_id, self.registry)
        if issues:
            raise InvalidWorkflow(issues)
        return node

    def _linked(self, schema: NodeSchema) -> Any:
        def linked(name: str, value: Any) -> Link | None:
            if isinstance(value, GraphSource | GraphNode) and value.graph is not self:
                raise UsageError(f"{schema.class_type}, {name}: {value!r} belongs to another graph")
            if isinstance(value, GraphSource):
                return value.link
            if not isinstance(value, GraphNode):
                return None
            names = attributes(outputs := self.registry[value.class_type].declared, RESERVED)
            spec = schema.by_name.get(name)
            wanted = spec.socket.accepts if spec is not None else "*"
            fitting = [f".{each}" for each, output in zip(names, outputs, strict=True) if fits(output.io_type, wanted)]
            hint = f"{type_name(wanted)} is {' or '.join(fitting)}" if fitting and wanted != "*" else ""
            has = f"{len(names)} outputs ({', '.join(names)})" if names else "no outputs"
            raise UsageError(
                f"{schema.class_type}, {name}: expected one output, and {value.where} has {has}", hint=hint
            )

        return linked

    def _free(self) -> str:
        number = len(self._nodes) + 1
        while str(number) in self._nodes:
            number += 1
        return str(number)


_METHODS = tuple(name for name in vars(Graph) if not name.startswith("_"))
