"""Prompt + Registry -> every Issue. Pure: nothing is run, nothing is changed, and it never stops at the first."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from shlex import quote
from typing import Any

from weft.engine.errors import Issue, MissingFile, OutsideFolder, UnusableName, did_you_mean, nearest
from weft.engine.folders import INPUT, Folders
from weft.engine.schema.between import between
from weft.engine.schema.frontend import EDITORS_OWN
from weft.engine.schema.node import DescribedNode, InputSpec, NodeOptions, NodeSchema, RunnableNode, Validates
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import SHOWN_CHOICES, Combo, Files, Listed, Socket, Unread, fits, type_name
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.overrides import title_of
from weft.engine.workflow.prompt import Link, Prompt, PromptNode, unwrapped


def says_nothing(name: str, value: Any) -> bool:
    """Whether an undeclared input is the editor's own, or empty, as those of its players and previews are."""
    return name in EDITORS_OWN or value is None or value == ""


def validate(
    prompt: Prompt,
    registry: Registry,
    *,
    folders: Folders | None = None,
    targets: Iterable[str] = (),
    executable: bool = True,
    passes: Collection[str] = (),
    lenient: Collection[str] = (),
    judged: Collection[str] = (),
) -> list[Issue]:
    """Everything that keeps the prompt from running, with ComfyUI's error types.

    As in ComfyUI, a class must be known for every node, and everything else is checked only where an output node or
    one of `targets` needs it. Without `folders`, names of files are not looked up. `executable=False` also accepts
    classes of which only the description is known. `passes` are those that are still to come (planning/lowering.py);
    `lenient` are the codes of what a class may find wrong and is let be; `judged` are nodes whose VALIDATE_INPUTS had
    its say. That is called only where the prompt is to be run.
    """
    given = _Validation(prompt, registry, folders, tuple(targets), executable, passes, lenient, judged)
    return list(given.issues())


def problems(prompt: Prompt, node_id: str, registry: Registry) -> list[Issue]:
    """What is wrong with one node as it stands in the prompt: its values, and what it is linked to.

    Names of files are not looked up, nor is a VALIDATE_INPUTS called. The class must be known.
    """
    node = prompt.nodes[node_id]
    sources = {link.node_id: prompt.nodes[link.node_id] for _, link in node.links if link.node_id in prompt.nodes}
    near = prompt.with_nodes({**sources, node_id: node})
    found = registry.find(node.class_type)
    assert found is not None
    return list(_Validation(near, registry, None, (), False, (), (), ()).node_issues(node_id, node, found))


def output_nodes(prompt: Prompt, registry: Registry) -> list[str]:
    """The ids of the nodes that are outputs by their class, in the order of the document."""
    return [
        node_id
        for node_id, node in prompt.nodes.items()
        if (found := registry.find(node.class_type)) is not None and found.schema.output_node
    ]


FILE_PREFIX = "filename_prefix"
"""ComfyUI's name for the input that says what an output node's files are called, below the output folder."""

_MAX_HINTS = 100


def coerced(given: Mapping[str, Any], node: RunnableNode) -> dict[str, Any]:
    """The inputs that a node gets: declared ones, coerced, and undeclared links and constants that its class takes.

    Others are dropped, as are the inputs that are meaningless beside the others.
    """
    by_name = node.schema.given(given)
    inputs: dict[str, Any] = {}
    left_out = unused(given, node.schema, node.options)
    for name, value in given.items():
        if name in left_out:
            continue
        linked = type(value) is Link
        if name in by_name:
            inputs[name] = value if linked else by_name[name].socket.coerce(unwrapped(value))
        elif node.takes_undeclared(name, linked=linked):
            inputs[name] = value if linked else unwrapped(value)
    return inputs


def unused(given: Mapping[str, Any], schema: NodeSchema, options: NodeOptions) -> Collection[str]:
    """The inputs of which the class says that the others make them meaningless."""
    return options.unused(constants(given, schema)) if options.unused is not None else ()


def constants(given: Mapping[str, Any], schema: NodeSchema) -> dict[str, Any]:
    """The declared inputs that are no links, coerced, as far as they can be."""
    by_name = schema.given(given)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in by_name and type(value) is not Link and type(value) is not list:
            with suppress(ValueError, TypeError, OverflowError):
                found[name] = by_name[name].socket.coerce(unwrapped(value))
    return found


def undeclared(prompt: Prompt, registry: Registry) -> Iterator[Issue]:
    """What nodes are given and their classes do not declare: constants have no effect, here as in ComfyUI, and links
    none where the class could not be called with them.

    Not those that the editor adds by itself, nor empty texts, which say nothing.
    """
    for node_id, node in prompt.nodes.items():
        found = registry.find(node.class_type)
        if found is None:
            continue
        unfolded, declared = found.schema.given(node.inputs), found.schema.names
        for name, value in node.inputs.items():
            linked = type(value) is Link
            known = name in declared or name in unfolded or found.options.claimed(name) is not None
            given = not isinstance(found, RunnableNode) or found.takes_undeclared(name, linked=True)
            if known or (given if linked else says_nothing(name, value)):
                continue
            what = "what is linked to it" if linked else "its value"
            message = f"{name!r} is no input of {node.class_type}, so {what} has no effect"
            yield Issue(
                "undeclared_input",
                message,
                node_id=node_id,
                class_type=node.class_type,
                title=title_of(prompt, node_id, registry),
                hint=did_you_mean(name, {*declared, *unfolded}),
                pointer=prompt.at(node_id, name),
            )


class _Seen:
    """A node of the prompt as a node's own check sees it: weft.engine.schema.node.Seen."""

    def __init__(
        self,
        node: PromptNode,
        prompt: Prompt,
        registry: Registry,
        folders: Folders | None,
        passes: Collection[str],
        slot: int = -1,
    ) -> None:
        self.class_type = node.class_type
        self.constants = constants(node.inputs, registry[node.class_type])
        self.links = [name for name, _ in node.links]
        self.slot = slot
        self.folders = folders
        self.passes = passes
        self._inputs, self._prompt, self._registry = node.inputs, prompt, registry

    def source(self, name: str) -> _Seen | None:
        link = self._inputs.get(name)
        if type(link) is not Link or link.node_id not in self._prompt.nodes:
            return None
        node = self._prompt.nodes[link.node_id]
        if self._registry.find(node.class_type) is None:
            return None
        return _Seen(node, self._prompt, self._registry, self.folders, self.passes, link.slot)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Validation:
    def __init__(
        self,
        prompt: Prompt,
        registry: Registry,
        folders: Folders | None,
        targets: tuple[str, ...],
        executable: bool,
        passes: Collection[str],
        lenient: Collection[str],
        judged: Collection[str],
    ) -> None:
        self.prompt = prompt
        self.registry = registry
        self.folders = folders
        self.targets = targets
        self.executable = executable
        self.passes = passes
        self.lenient = lenient
        self.judged = judged
        self.hints: dict[tuple[str, int], str] = {}
        self.classes = {name: registry.find(name) for name in {node.class_type for node in prompt.nodes.values()}}

    def near(self, name: str, choices: Iterable[Any]) -> str:
        """Did-you-mean for the first names that need one: a thousand searches would take minutes and help nobody."""
        search = name, id(choices)
        if search not in self.hints and len(self.hints) < _MAX_HINTS:
            self.hints[search] = did_you_mean(name, map(str, choices))
        return self.hints.get(search, "")

    def issue(self, node_id: str, code: str, message: str, input_name: str | None = None, **more: Any) -> Issue:
        return Issue(
            code=code,
            message=message,
            node_id=node_id,
            class_type=self.prompt.nodes[node_id].class_type,
            title=title_of(self.prompt, node_id, self.registry),
            input=input_name,
            pointer=self.prompt.at(node_id, input_name),
            **more,
        )

    def issues(self) -> Iterator[Issue]:
        nodes = self.prompt.nodes
        for node_id, node in nodes.items():
            if self.classes[node.class_type] is None:
                message, hint = self.registry.unknown(node.class_type)
                message = message[:1].upper() + message[1:]
                yield self.issue(node_id, "missing_node_type", message, details=f"Node ID '#{node_id}'", hint=hint)
        wanted = [*output_nodes(self.prompt, self.registry), *(node for node in self.targets if node in nodes)]
        if not wanted:
            hint = "add SaveImage or PreviewImage, or name a target"
            yield Issue("prompt_no_outputs", "Prompt has no outputs", hint=hint, pointer=self.prompt.pointer)
            # With nothing to run, all of it is checked: the writer of the graph is not done yet.
            wanted = list(nodes)
        graph = PromptGraph(self.prompt)
        needed = graph.needed(wanted)
        for node_id, node in nodes.items():
            if node_id in needed and (found := self.classes[node.class_type]) is not None:
                validates = found.options.validates
                if validates is None or not self.executable or node_id in self.judged:
                    yield from self.node_issues(node_id, node, found)
                    continue
                issues = list(self.node_issues(node_id, node, found))
                yield from issues or self.own_issues(node_id, node, found, validates)
        for cycle in graph.cycles():
            if cycle[0] in needed:
                names = [f'{node_id} "{title_of(self.prompt, node_id, self.registry)}"' for node_id in cycle]
                path = " -> ".join([*names, names[0]])
                yield self.issue(cycle[0], "dependency_cycle", "Nodes wait for each other", details=path)

    def node_issues(self, node_id: str, node: PromptNode, found: RunnableNode | DescribedNode) -> Iterator[Issue]:
        if self.executable and found.unavailable:
            message = f"{node.class_type} cannot be run"
            yield self.issue(node_id, "not_executable", message, details=found.unavailable)
        inputs, schema, options = node.inputs, found.schema, found.options
        left_out = unused(inputs, schema, options)
        declared = schema.given(inputs)
        validates = options.validates
        typed = validates is None or not validates.types
        # A class of ComfyUI's form may have a widget of its own for a type of its own.
        foreign = isinstance(found, RunnableNode) and found.watched
        for name, spec in declared.items():
            if name in left_out:
                continue
            if isinstance(spec.socket, Unread):
                message = f"{name!r} is of type {type_name(spec.socket.io_type)}, which is not known here"
                yield self.issue(node_id, "unknown_input_type", message, name)
            elif name not in inputs:
                if spec.section == "required":
                    yield self.missing(node_id, node, declared, spec)
            elif type(inputs[name]) is Link or type(inputs[name]) is list:
                yield from self.link_issues(node_id, spec.name, inputs[name], spec, typed=typed)
            elif not spec.socket.takes_values and not (foreign and spec.socket.is_unknown):
                message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
                hint = f"it takes {type_name(spec.socket.accepts)} from another node, got {_brief(inputs[name])}"
                extra = self.extra(spec, received_value=inputs[name])
                yield self.issue(node_id, "bad_linked_input", message, name, details=name, hint=hint, extra=extra)
            else:
                free = validates is not None and validates.covers(name)
                yield from self.value_issues(node_id, spec, unwrapped(inputs[name]), free=free)
        for name, value in inputs.items():
            # ComfyUI lets undeclared constants be and passes undeclared links on: those must lead somewhere.
            if type(value) is Link and name not in declared:
                yield from self.link_issues(node_id, name, value, None)
        if options.check is not None:
            for name, wrong in options.check(_Seen(node, self.prompt, self.registry, self.folders, self.passes)):
                if isinstance(wrong, str):
                    yield self.issue(node_id, "custom_validation_failed", wrong, name)
                elif wrong.code not in self.lenient:
                    yield self.issue(node_id, wrong.code, wrong.message, name, hint=wrong.hint, missing_file=True)

    def own_issues(
        self, node_id: str, node: PromptNode, found: RunnableNode | DescribedNode, validates: Validates
    ) -> Iterator[Issue]:
        """What the class itself finds wrong, by its VALIDATE_INPUTS."""
        known: dict[str, Any] = constants(node.inputs, found.schema)
        if isinstance(found, RunnableNode):
            known |= {name: unwrapped(value) for name, value in node.inputs.items() if found.takes_undeclared(name)}
        known |= {name: None for name, _ in node.links} | found.schema.hidden_before(node_id)
        given = {name: value for name, value in known.items() if validates.covers(name)}
        if validates.types:
            sources = {
                name: (self.classes[self.prompt.nodes[link.node_id].class_type], link) for name, link in node.links
            }
            types = {name: each.schema.outputs[link.slot].io_type for name, (each, link) in sources.items() if each}
            given["input_types"] = types
        if not given:
            return
        # ComfyUI says it of each input that the function looks at.
        looked = [name for name in given if name in node.inputs]
        blamed = looked[0] if len(looked) == 1 else None
        try:
            verdict = validates.call(**given)
        except Exception as error:  # the author's code: it may raise anything
            message, details = "Exception when validating node", f"{type(error).__name__}: {error}"
            yield self.issue(node_id, "exception_during_validation", message, blamed, details=details)
            return
        if verdict is not True:
            message, details = "Custom validation failed for node", "" if verdict is False else str(verdict)
            extra = {"looked_at": list(given)}
            yield self.issue(node_id, "custom_validation_failed", message, blamed, details=details, extra=extra)

    def missing(self, node_id: str, node: PromptNode, declared: Mapping[str, InputSpec], spec: InputSpec) -> Issue:
        stray = [name for name in node.inputs if name not in declared]
        found = nearest(spec.name, stray)
        hint = f"the node has an input {found!r}, which its class does not declare" if found else ""
        hint = hint or "; ".join(self.fillings(spec.socket))
        extra = {"input_name": spec.name}
        code, message = "required_input_missing", "Required input is missing"
        return self.issue(node_id, code, message, spec.name, details=spec.name, hint=hint, extra=extra)

    def fillings(self, socket: Socket) -> Iterator[str]:
        """What an input that is missing could be given."""
        if not socket.is_widget:
            yield f"it takes {type_name(socket.io_type)} from another node"
            return
        if socket.options.get("default") is not None:
            yield f"its default is {_brief(socket.options['default'])}"
        choices: Sequence[Any] = socket.choices or () if isinstance(socket, Combo) else ()
        if isinstance(socket, Listed) and self.folders is not None:
            choices = socket.names(self.folders)
        if choices:
            more = f", and {len(choices) - SHOWN_CHOICES} more" if len(choices) > SHOWN_CHOICES else ""
            yield f"one of {', '.join(map(_brief, choices[:SHOWN_CHOICES]))}{more}"

    def link_issues(
        self, node_id: str, name: str, link: Any, spec: InputSpec | None, *, typed: bool = True
    ) -> Iterator[Issue]:
        nodes = self.prompt.nodes
        code = "bad_linked_input"
        if type(link) is list:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            hint = f'got {_brief(link)}; a list as a value is written {{"__value__": [...]}}'
            extra = self.extra(spec, name, received_value=link)
            yield self.issue(node_id, code, message, name, details=name, hint=hint, extra=extra)
            return
        source = nodes.get(link.node_id)
        if source is None:
            message, hint = f"Linked node {link.node_id!r} does not exist", self.near(link.node_id, nodes)
            extra = self.extra(spec, name, received_value=list(link))
            yield self.issue(node_id, code, message, name, details=name, hint=hint, extra=extra)
            return
        found = self.classes[source.class_type]
        if found is None:
            return
        outputs = found.schema.outputs
        if not 0 <= link.slot < len(outputs):
            slots = ", ".join(f"{slot} {out.name}" for slot, out in enumerate(outputs)) or "none"
            message = f"Linked node {link.node_id!r} ({source.class_type}) has no output slot {link.slot}"
            extra = self.extra(spec, name, received_value=list(link))
            yield self.issue(node_id, code, message, name, details=name, hint=f"its slots: {slots}", extra=extra)
            return
        received = outputs[link.slot].io_type
        if typed and spec is not None and not fits(received, spec.socket.accepts):
            wanted = type_name(spec.socket.accepts)
            details = f"{name}, received_type({type_name(received)}) mismatch input_type({wanted})"
            fitting = [f"slot {slot}" for slot, out in enumerate(outputs) if fits(out.io_type, spec.socket.accepts)]
            hint = f"{wanted} is {', '.join(fitting)} of node {link.node_id}" if fitting else ""
            if not fitting and (maker := between(self.registry, received, spec.socket.accepts)) is not None:
                hint = f"{maker} makes {wanted} of {type_name(received)}"
            extra = self.extra(spec, received_type=type_name(received), linked_node=list(link))
            message = "Return type mismatch between linked nodes"
            yield self.issue(node_id, "return_type_mismatch", message, name, details=details, hint=hint, extra=extra)

    def value_issues(self, node_id: str, spec: InputSpec, value: Any, *, free: bool = False) -> Iterator[Issue]:
        """What is wrong with a constant; of one that is `free`, the class itself says whether it is in range."""
        name, socket = spec.name, spec.socket
        try:
            coerced = socket.coerce(value)
        except (ValueError, TypeError, OverflowError) as error:
            message = f"Failed to convert an input value to a {type_name(socket.io_type)} value"
            extra = self.extra(spec, received_value=value, exception_message=str(error))
            yield self.issue(
                node_id, "invalid_input_type", message, name, details=f"{name}, {value}, {error}", extra=extra
            )
            return
        if isinstance(socket, Listed):
            yield from self.file_issues(node_id, spec, socket, coerced)
            return
        if name == FILE_PREFIX and self.folders is not None and isinstance(coerced, str):
            try:
                self.folders.check_prefix(coerced)
            except UnusableName as error:
                extra = self.extra(spec, received_value=value)
                yield self.issue(node_id, "custom_validation_failed", error.message, name, hint=error.hint, extra=extra)
        for code, message, details in () if free else socket.problems(name, coerced):
            hint = ""
            if isinstance(socket, Combo) and code == "value_not_in_list":
                hint = self.choice_meant(node_id, socket, str(coerced))
            extra = self.extra(spec, received_value=value)
            yield self.issue(node_id, code, message, name, details=details, hint=hint, extra=extra)

    def choice_meant(self, node_id: str, socket: Combo, value: str) -> str:
        """Which choice was meant, and where all stand that the message does not spell out."""
        choices = socket.choices or ()
        hints = [(socket.meant(value) if socket.meant else "") or self.near(value, choices)]
        if len(choices) > SHOWN_CHOICES:
            hints.append(f"weft nodes {quote(self.prompt.nodes[node_id].class_type)} lists all {len(choices)}")
        return "; ".join(filter(None, hints))

    def file_issues(self, node_id: str, spec: InputSpec, socket: Listed, value: Any) -> Iterator[Issue]:
        if isinstance(socket, Files) and value in socket.extra_choices:
            return
        code, message = "value_not_in_list", "Value not in list"
        if socket.folder == INPUT:  # ComfyUI's loaders look for these themselves
            code, message = "custom_validation_failed", "Invalid file"
        extra = self.extra(spec, received_value=value)
        if not isinstance(value, str):
            details = f"{spec.name}: expected the name of a {socket.noun}, got {value!r}"
            yield self.issue(node_id, code, message, spec.name, details=details, extra=extra)
            return
        if self.folders is None:
            return
        try:
            path = socket.find(self.folders, value)
        except (MissingFile, OutsideFolder) as error:
            missing = isinstance(error, MissingFile)
            listing = f"weft nodes {quote(self.prompt.nodes[node_id].class_type)} lists the {socket.noun}s"
            hints = [error.hint] if "did you mean" in error.hint or not missing else [error.hint, listing]
            if isinstance(socket, Files) and socket.folder == INPUT and os.path.isabs(value) and "\0" not in value:
                hints.append(f"given for the run it is read: --set {quote(f'{node_id}.{spec.name}={value}')}")
            yield self.issue(
                node_id, code, message, spec.name, details=error.message, hint="; ".join(filter(None, hints)),
                extra=extra, missing_file=missing,
            )  # fmt: skip
            return
        refused = socket.refuses(path) if isinstance(socket, Files) and socket.refuses is not None else ""
        if refused:
            code, message = "custom_validation_failed", f"{value} cannot be used here"
            yield self.issue(node_id, code, message, spec.name, details=refused, extra=extra)

    def extra(self, spec: InputSpec | None, name: str = "", **more: Any) -> dict[str, Any]:
        """ComfyUI's extra_info: over 20 choices, the input's config is left out; an undeclared input has none."""
        if spec is None:
            return {"input_name": name, **more}
        config: Any = spec.socket.to_object_info()
        if isinstance(spec.socket, Combo) and len(spec.socket.choices or ()) > SHOWN_CHOICES:
            config = None
        return {"input_name": spec.name, "input_config": config, **more}
