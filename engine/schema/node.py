"""What a node class is: a NodeSchema says what it takes and gives, a RunnableNode has the code too.

A schema is read from a typed function, from a V1 class, or from an object_info dump of a real ComfyUI: a workflow can
be validated, converted and drawn for a custom node whose code is not there. Only planning and running need the code.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import islice, zip_longest
from typing import Any, ClassVar, NamedTuple, Protocol

from weft.engine.errors import DefinitionError, MissingFile
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.schema.sockets import Autogrow, DynamicCombo, DynamicSlot, IoType, Socket, socket_from, type_name
from weft.engine.settings import Settings
from weft.engine.trajectory import Foretell, ForetoldInputs, Tell

HIDDEN_TYPES = ("PROMPT", "DYNPROMPT", "EXTRA_PNGINFO", "UNIQUE_ID", "AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG")
"""The values that the engine, not the workflow, gives to an input of the hidden section."""


INTERNAL = "_internal"
"""The category of node classes that no one puts into a workflow."""


@dataclass(frozen=True)
class InputSpec:
    """One declared input; `section` is `required`, `optional` or `hidden`."""

    name: str
    socket: Socket
    section: str = "required"

    @property
    def injected(self) -> bool:
        """Whether the engine, not the workflow, gives its value."""
        return self.section == "hidden" and type_name(self.socket.io_type) in HIDDEN_TYPES


@dataclass(frozen=True)
class OutputSpec:
    """One output slot; `repeats` is the input, or what the node shows, that it gives again: no record needs it.

    One that is `open` is not declared: the class gives as many outputs as a workflow takes.
    """

    name: str
    io_type: IoType
    is_list: bool = False
    tooltip: str = field(default="", compare=False)
    repeats: str = field(default="", compare=False)
    open: bool = False


class Seen(Protocol):
    """A node as it stands in a workflow, for a check before the run: its constants, coerced, and what feeds it."""

    @property
    def class_type(self) -> str:
        """The node's class."""

    @property
    def constants(self) -> Mapping[str, Any]:
        """The declared inputs that are no links, as far as they can be coerced."""

    @property
    def slot(self) -> int:
        """The output by which a source was reached; -1 for the node that is checked."""

    @property
    def links(self) -> Collection[str]:
        """The inputs that are links."""

    @property
    def folders(self) -> Folders | None:
        """The folders of the run; None where names of files are not to be looked up."""

    @property
    def passes(self) -> Collection[str]:
        """The passes that may still replace this node (planning/lowering.py): what they leave is checked again."""

    def source(self, name: str) -> Seen | None:
        """The node that the input is linked to; None for an input that is no link, or one that leads nowhere."""


class Validates(NamedTuple):
    """ComfyUI's VALIDATE_INPUTS: the author's own check of the inputs called `names`, or of `every` one.

    `call` takes them by name: constants as the node gets them, None for what is linked, hidden values as far as they
    are known. `types` asks for one more, `input_types`: what the linked ones are linked to, by name. True is valid;
    anything else is not, a text says why. It may raise anything.
    """

    call: Callable[..., Any]
    names: frozenset[str] = frozenset()
    every: bool = False
    types: bool = False

    def covers(self, name: str) -> bool:
        """Whether it looks at an input, which is then checked for its type alone."""
        return self.every or name in self.names


@dataclass(frozen=True, kw_only=True)
class NodeOptions:
    """What the author of a node class says of how it runs, beside its inputs and outputs."""

    version: int | str = 1
    """Joins the cache key: raise it whenever the output changes for the same inputs. A V1 class has a digest here."""

    volatile: str = ""
    """Why no cache may stand in for the node, if so: it is called in every run, and so is what takes from it."""

    by_node_id: bool = False
    """Whether two nodes of the class with equal inputs are two nodes for the cache: ComfyUI's NOT_IDEMPOTENT."""

    fingerprint: Callable[[Folders, Mapping[str, Any]], Sequence[Any]] | None = None
    """`fingerprint(folders, constants)` returns a list that joins the cache key, for what the inputs do not show (files
    that are named inside a text): plain data, and a Path for the content of its file."""

    is_changed: Callable[..., Any] | None = None
    """ComfyUI's IS_CHANGED: what it returns for the inputs joins the cache key; it may raise."""

    claims: Callable[[str], Mapping[str, Any] | None] | None = None
    """`claims(name)` gives the options of an input that is not declared and whose value is given to the node all the
    same, as it is; None for all others. Links are given in any case."""

    unused: Callable[[Mapping[str, Any]], Collection[str]] | None = None
    """`unused(constants)` returns the names of inputs that the others make meaningless: neither checked nor given."""

    check: Callable[[Seen], Iterable[tuple[str, str | MissingFile]]] | None = None
    """`check(seen)` yields (input name, message) for what is wrong beyond a single input, before anything runs; a
    MissingFile in place of the message for a file that is not there."""

    validates: Validates | None = None
    """ComfyUI's form of `check`."""

    lazy: Callable[[Mapping[str, Any]], Iterable[str] | Awaitable[Iterable[str]]] | None = None
    """`lazy(inputs)` returns the names of the lazy inputs that the node needs, from what is known of its inputs; None
    stands for what is not known yet. It is asked again when they are there, until it needs nothing more. It may be a
    coroutine function."""

    queued: Callable[..., Mapping[str, Any]] | None = None
    """`queued(constants, last, random)` returns the inputs that have another value in this run: what the browser
    resolves when it queues a workflow. `last` are the constants of the run before, `random` gives floats in [0, 1)."""

    lowers: Callable[..., Any] | None = None
    """`lowers(site)` replaces the node by others before anything is planned: `weft.engine.planning.lowering`."""

    passes: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """As `lowers`, each in a run that asks for it by name."""

    trajectory: Tell | None = None
    """`trajectory(inputs, settings)` says of a node that goes step by step what its steps are: a run then gives it
    `context.steps`, through which it shares them with others. See `weft.engine.trajectory`."""

    foretells: Foretell | None = None
    """`foretells(inputs, settings)` says what is known of the outputs before the node runs, for the trajectories of
    those that take from it, and for checks."""

    computes: bool = False
    """Whether it makes numbers and texts of numbers and texts, at once and of nothing else: where all its inputs are
    known before a run, it is called for what it `foretells`."""

    def claimed(self, name: str) -> Mapping[str, Any] | None:
        """The options of an undeclared input that the class claims; None for one that it does not."""
        return self.claims(name) if self.claims is not None else None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """How the editor lists a node class: what object_info says of it beside its inputs and outputs."""

    display_name: str = ""
    category: str = ""
    python_module: str = field(default="", compare=False)
    output_node: bool = False
    deprecated: bool = False
    experimental: bool = False
    api_node: bool = False

    def listing(self) -> dict[str, Any]:
        """The fields of this record, of whatever record they are part of, by name."""
        return {each.name: getattr(self, each.name) for each in fields(Listing)}


FLAGS = ("output_node", "deprecated", "experimental", "api_node")
"""What is so or not, in the Listing and in object_info; a V1 class has them as attributes in capitals."""


@dataclass(frozen=True)
class NodeSchema(Listing):
    """What object_info says of a node class. Two are equal if they say the same, however they were made."""

    class_type: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    description: str = field(default="", compare=False)

    input_is_list: bool = field(default=False, compare=False)
    """Whether the node is called once, with a list for each input: nothing that object_info tells."""

    @cached_property
    def by_name(self) -> dict[str, InputSpec]:
        """The declared inputs that a workflow can give, by name, in the editor's order."""
        return {spec.name: spec for spec in self.inputs if spec.section != "hidden"}

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all inputs that it declares, hidden ones too."""
        return frozenset(spec.name for spec in self.inputs)

    @cached_property
    def concealed(self) -> frozenset[str]:
        """The inputs of the hidden section that a workflow gives after all: the engine has no value for them."""
        return frozenset(spec.name for spec in self.inputs if spec.section == "hidden" and not spec.injected)

    def hidden_before(self, node_id: str) -> dict[str, Any]:
        """The hidden values of a node as a class is given them before a run: its id alone is known."""
        values: dict[Any, Any] = {"UNIQUE_ID": node_id, "PROMPT": {}}
        return {spec.name: values.get(spec.socket.io_type) for spec in self.inputs if spec.injected}

    @cached_property
    def unfolds(self) -> bool:
        """Whether what a node holds decides which inputs it has."""
        return any(isinstance(spec.socket, DynamicCombo | Autogrow | DynamicSlot) for spec in self.by_name.values())

    def given(self, values: Mapping[str, Any]) -> Mapping[str, InputSpec]:
        """The declared inputs of a node with these values and links: `by_name` with what its dynamic inputs unfold to.

        A choice that brings inputs is followed by those of the value that it has, `choice.name`; an input that grows
        is replaced by those of its row that must be there or have a value, `row.name`; a slot that is linked is
        followed by those that it brings, `slot.name`.
        """
        if not self.unfolds:
            return self.by_name
        return {spec.name: spec for each in self.by_name.values() for spec in _unfold(each, values)}

    @property
    def internal(self) -> bool:
        """Whether it is there only for what other nodes expand into; a list of node classes leaves it out."""
        return self.category == INTERNAL

    @property
    def declared(self) -> tuple[OutputSpec, ...]:
        """The outputs without those that are open, which no list of them names."""
        return tuple([output for output in self.outputs if not output.open])

    def to_object_info(self) -> dict[str, Any]:
        """The entry as `GET /object_info` gives it; lists of files are empty, since only a run's folders know them."""
        sections: dict[str, dict[str, Any]] = {"required": {}}
        for spec in self.inputs:
            if spec.section == "hidden":
                sections.setdefault("hidden", {})[spec.name] = spec.socket.io_type
            else:
                sections.setdefault(spec.section, {})[spec.name] = spec.socket.to_object_info()
        info: dict[str, Any] = {
            "input": sections,
            "input_order": {name: list(section) for name, section in sections.items()},
            "output": [list(out.io_type) if isinstance(out.io_type, tuple) else out.io_type for out in self.declared],
            "output_is_list": [out.is_list for out in self.declared],
            "output_name": [out.name for out in self.declared],
            "name": self.class_type,
            "display_name": self.display_name or self.class_type,
            "description": self.description,
            "python_module": self.python_module,
            "category": self.category,
            "output_node": self.output_node,
        }
        if any(out.tooltip for out in self.declared):
            info["output_tooltips"] = [out.tooltip for out in self.declared]
        return info | {name: True for name in FLAGS if getattr(self, name)}

    @classmethod
    def from_object_info(cls, class_type: str, info: Mapping[str, Any]) -> NodeSchema:
        """Read one entry of an object_info dump. Raises DefinitionError naming what is not as expected."""
        try:
            return cls(
                class_type=class_type,
                inputs=read_inputs(info["input"], info.get("input_order")),
                outputs=read_outputs(
                    info["output"],
                    info.get("output_name"),
                    info.get("output_is_list"),
                    info.get("output_tooltips"),
                ),
                display_name=info.get("display_name") or class_type,
                category=info.get("category") or "",
                description=info.get("description") or "",
                python_module=info.get("python_module") or "",
                **{name: bool(info.get(name)) for name in FLAGS},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DefinitionError(f"object_info entry {class_type!r} is not as ComfyUI writes it: {error!r}") from error


class Wants(NamedTuple):
    """Asks a node which of its lazy inputs it needs: called as the node is, with None for what is not known yet.

    Where `asynchronous`, it returns a coroutine.
    """

    call: Callable[..., Iterable[str] | None]
    asynchronous: bool = False


@dataclass(frozen=True, eq=False)
class RunnableNode:
    """A node class that can be run: its schema, and what calls it.

    `call` takes the inputs by name and returns a tuple of slots, or `{"ui":, "result":}`. `injected` maps a parameter
    to what the engine gives it (a hidden type, CONTEXT or GRAPH). `links` are the inputs that get their Link, and how
    (`weft.engine.links`). `module` is where the class is written. `libraries` are modules that are imported before the
    node is called, as a step of their own: they may take longer than it. `code`, which a Registry sets for what was put
    into it by hand, joins the cache key: it tells this code from all other code that this process has had. Where `call`
    returns a coroutine, the node is `asynchronous`: such nodes overlap. `wants` says what it needs of its lazy inputs;
    without it, no input is lazy. One that is `watched` may change in place what it is given, and is told if it does.
    One with a `rest` takes links that are not declared; others are called without them.
    """

    schema: NodeSchema
    call: Callable[..., Any]
    options: NodeOptions = NodeOptions()
    injected: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    module: str = ""
    libraries: tuple[str, ...] = ()
    code: str = ""
    asynchronous: bool = False
    wants: Wants | None = None
    single: frozenset[str] = frozenset()
    at_most: int | None = None
    watched: bool = False
    rest: bool = False

    unavailable: ClassVar[str] = ""

    @cached_property
    def version(self) -> str:
        """The version of its code, in the cache key and in records."""
        return str(self.options.version)

    @cached_property
    def implementation(self) -> str:
        """What tells its code from other code of the same class."""
        return self.version + self.code

    def takes_undeclared(self, name: str, *, linked: bool = False) -> bool:
        """Whether a value, or what is `linked`, is given to it under a name that is none of its inputs'."""
        return (linked and self.rest) or name in self.schema.concealed or self.options.claimed(name) is not None

    def takes_one(self, name: str) -> bool:
        """Whether the input gets one value, not a list; of an unfolding one, its parts have no say of their own."""
        return not self.schema.input_is_list or name in self.single or name.partition(".")[0] in self.single

    @cached_property
    def lists(self) -> bool:
        """Whether it takes or gives lists."""
        return self.schema.input_is_list or any(output.is_list for output in self.schema.outputs)

    @cached_property
    def awaited(self) -> bool:
        """Whether it waits for something while others may be called: when it is called, or asked what it needs."""
        return self.asynchronous or (self.wants is not None and self.wants.asynchronous)

    @cached_property
    def by_node_id(self) -> bool:
        """Whether the node's id joins its cache key."""
        return self.options.by_node_id or "UNIQUE_ID" in self.injected.values()

    @property
    def foretells(self) -> bool:
        """Whether it may know something of its outputs before it runs."""
        return self.options.computes or self.options.foretells is not None

    def foretold(self, given: ForetoldInputs, settings: Settings) -> Sequence[Any] | None:
        """What is known of its outputs before it runs: see Foretell. Raises what `foretells` raises."""
        if self.options.foretells is not None:
            return self.options.foretells(given, settings)
        if not self.options.computes or given.foretold or any(type(value) is bytes for value in given.values()):
            return None
        try:
            returned = self.call(**given)
        except Exception:  # when it runs, it says why
            return None
        slots = returned["result"] if isinstance(returned, dict) else returned
        return [value if type(value) in (bool, int, float, str) else None for value in slots]

    def lazy(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The inputs, of a node that is given these, whose source runs only when the node asks for its value."""
        if self.wants is None:
            return ()
        declared = self.schema.given(inputs)
        linked = (name for name, value in inputs.items() if type(value) is Link and name not in self.links)
        options = ((name, declared[name].socket.options if name in declared else None) for name in linked)
        return tuple(name for name, said in options if (said or self.options.claimed(name) or {}).get("lazy"))


class DescribedNode(NamedTuple):
    """A node class that is known and cannot be run here, and why."""

    schema: NodeSchema
    unavailable: str = "only its description is known here"

    @property
    def options(self) -> NodeOptions:
        """No more than the defaults: what its author says of it stands in its code."""
        return _NO_OPTIONS

    @property
    def foretells(self) -> bool:
        """See RunnableNode."""
        return False

    def foretold(self, given: ForetoldInputs, settings: Settings) -> None:
        """See RunnableNode: nothing."""


_NO_OPTIONS = NodeOptions()


def read_inputs(sections: Mapping[str, Any], order: Mapping[str, Any] | None = None) -> tuple[InputSpec, ...]:
    """The inputs that an INPUT_TYPES() result or an object_info `input` declares, sections in ComfyUI's order.

    `order` is object_info's `input_order`: a dump whose keys were sorted on the way still has it.
    """
    specs: list[InputSpec] = []
    for section in ("required", "optional", "hidden"):
        declared = sections.get(section) or {}
        names = [name for name in (order or {}).get(section) or () if name in declared]
        for name in dict.fromkeys([*names, *declared]):
            specs.append(InputSpec(name, _socket(name, declared[name], section), section))
    return tuple(specs)


def _unfold(spec: InputSpec, values: Mapping[str, Any]) -> Iterator[InputSpec]:
    socket = spec.socket
    if isinstance(socket, DynamicCombo):
        yield spec
        value = values.get(spec.name)
        for section, name, inner in socket.branches.get(value, ()) if isinstance(value, str) else ():
            section = section if spec.section == "required" else "optional"
            yield from _unfold(InputSpec(f"{spec.name}.{name}", inner, section), values)
    elif isinstance(socket, Autogrow):
        for index, name in enumerate(socket.names):
            required = spec.section == "required" and index < socket.least
            grown = InputSpec(f"{spec.name}.{name}", socket.item, "required" if required else "optional")
            if required or grown.name in values:
                yield from _unfold(grown, values)
    elif isinstance(socket, DynamicSlot):
        yield spec
        for section, name, inner in socket.brought if values.get(spec.name) is not None else ():
            yield from _unfold(InputSpec(f"{spec.name}.{name}", inner, section), values)
    else:
        yield spec


def read_outputs(types: Any, names: Any, lists: Any, tips: Any) -> tuple[OutputSpec, ...]:
    """The outputs that RETURN_TYPES and the lists beside it declare, or an object_info entry.

    There are as many as there are types; what stands beside them may be None, too short or too long, as it is in real
    packs. An output without a name has its type's.
    """
    if isinstance(types, str):
        raise TypeError(f"expected a tuple of output types, got the text {types!r}; a comma is missing")
    outputs: list[OutputSpec] = []
    for io_type, name, is_list, tip in islice(zip_longest(types, names or (), lists or (), tips or ()), len(types)):
        kind = tuple(io_type) if isinstance(io_type, list | tuple) else io_type
        named = type_name(kind) if name is None or isinstance(name, list | tuple) else str(name)
        outputs.append(OutputSpec(named, kind, bool(is_list), tip or ""))
    return tuple(outputs)


def _socket(name: str, declared: Any, section: str) -> Socket:
    if section == "hidden":
        # A hidden input is declared by a bare type, or as an input that a workflow may give after all.
        return Socket(declared if isinstance(declared, str) else declared[0])
    if not isinstance(declared, Sequence) or isinstance(declared, str) or not declared:
        raise TypeError(f"input {name!r}: expected (type, options), got {declared!r}")
    options = declared[1] if len(declared) > 1 else {}
    return socket_from(declared[0], options)
