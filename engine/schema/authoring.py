"""`@node`: a typed function is a node.

The signature is INPUT_TYPES turned sideways: keyword-only parameters in the editor's order, each annotated with a
socket (`Annotated[int, Int(default=20, min=1)]`, or an alias such as `Model`); a Python default puts the input into the
optional section; a RunContext, a GraphBuilder and hidden values are injected by their annotation; `**rest` gets links
that the class does not declare, and inputs that an Each lists; an Autogrow or a DynamicCombo is given as a dict of what
it unfolded to, a choice beside it under its own name; the return annotation is RETURN_TYPES; `list[Image]` is a list of
what `Image` is, and a node that takes one is called once, with the first value of every other input; the docstring is
the description, its `Args:` are the tooltips; what many nodes share says its own in its alias, by a Tooltip. The
decorator only marks: a Registry registers, and the RunnableNode is built when somebody first asks for it.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Annotated, Any, TypeVar

from weft.engine.context import RunContext
from weft.engine.errors import DefinitionError
from weft.engine.links import LINK, LINKED
from weft.engine.schema.expansion import Expanded, GraphBuilder
from weft.engine.schema.node import InputSpec, Listing, NodeOptions, NodeSchema, OutputSpec, RunnableNode, Wants
from weft.engine.schema.sockets import Autogrow, DynamicCombo, Socket

CONTEXT = "CONTEXT"
GRAPH = "GRAPH"
PNGINFO_IF_ANY = "EXTRA_PNGINFO, or None"
"""As classes of ComfyUI's form are given it: None where the client sent none."""
_INJECTED: dict[Any, str] = {RunContext: CONTEXT, GraphBuilder: GRAPH}


class Hidden:
    """Marks a parameter that the engine fills: `Annotated[dict, Hidden("PROMPT")]`."""

    def __init__(self, io_type: str) -> None:
        self.io_type = io_type


class RawLink:
    """Marks an input that gets its Link instead of the value: `Annotated[Link, Socket("MODEL"), RawLink()]`.

    The source runs only when something takes its value: a node of the graph that this node expands into.
    """

    how = LINK


class WithLink(RawLink):
    """Marks an input that gets a Linked: the value and its Link."""

    how = LINKED


@dataclass(frozen=True)
class Tooltip:
    """Says what an input is, once for all nodes that have it: `Steps = Annotated[int, Int(), Tooltip("How many.")]`.

    What a node's docstring says of the input comes first.
    """

    text: str


class Lazy:
    """Marks an input whose source runs only when the node asks for its value: `Annotated[Image, Lazy()]`.

    What it asks for `@node(lazy=function)` says. Until then, and if it never does, the value is None.
    """


@dataclass(frozen=True)
class Each:
    """Lists the inputs that `**rest` stands for, all of one socket: `**shares: Annotated[float, Float(), Each(NAMES)]`.

    For many inputs of one kind, and for names that Python does not allow.
    """

    names: tuple[str, ...]


class Output:
    """Names an output slot: `Annotated[Latent, Output("denoised")]`, `list[Annotated[Image, Output("tiles")]]`.

    `repeats` is the input, or what the node shows, that it gives again: a golden has it but once.
    """

    def __init__(self, name: str, *, repeats: str = "") -> None:
        self.name = name
        self.repeats = repeats


class UI(dict[str, list[Any]]):
    """What an output node returns: lists by kind, as ComfyUI's `ui`: `UI(images=[{"filename": ..., ...}])`."""

    def beside(self, *outputs: Any) -> Any:
        """What a node returns that has these outputs, too; its annotation is the tuple of them."""
        return {"ui": self, "result": outputs}


PromptJson = Annotated[dict[str, Any], Hidden("PROMPT")]
ExtraPnginfo = Annotated[dict[str, Any], Hidden("EXTRA_PNGINFO")]
UniqueId = Annotated[str, Hidden("UNIQUE_ID")]

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class node(Listing, NodeOptions):
    """`@node(category="image", ...)` marks a typed function as a node.

    All that can be said of one is a field of this record: of itself, of Listing (what the editor shows) or of
    NodeOptions (how it runs).
    """

    category: str = field()
    """The menu that it stands in, as `sampling/custom`. It must be given."""

    python_module: str = field(default="nodes", compare=False)

    class_type: str = ""
    """Its name in a workflow; default: the function's."""

    def __call__(self, function: Function) -> Function:
        function.__weft_node__ = self  # type: ignore[attr-defined]  # a mark on the author's own function
        return function


def is_marked(thing: object) -> bool:
    """Whether `@node` marked this function."""
    return isinstance(getattr(thing, "__weft_node__", None), node)


def read_function(function: Callable[..., Any]) -> RunnableNode:
    """The node that a function marked with `@node` is. Raises DefinitionError naming the parameter at fault."""
    mark = getattr(function, "__weft_node__", None)
    if not isinstance(mark, node):
        raise DefinitionError(f"{function!r} is not a node", hint="mark it with @node")
    class_type = mark.class_type or function.__name__
    try:
        hints = _hints(function)
    except NameError as error:
        hint = "annotations are read in the module: what they name must stand there"
        raise DefinitionError(f"{class_type}: {error}", hint=hint) from error
    description, tooltips = _read_docstring(inspect.getdoc(function) or "")
    inputs: list[InputSpec] = []
    hidden: list[InputSpec] = []
    injected: dict[str, str] = {}
    links: dict[str, str] = {}
    lists: set[str] = set()
    takes_rest = False
    for parameter in inspect.signature(function).parameters.values():
        name = parameter.name
        rest = parameter.kind is inspect.Parameter.VAR_KEYWORD
        each = _marker(hints.get(name), (Each,)) if rest else None
        if rest and each is None:
            takes_rest = True  # links that the class does not declare
            continue
        if not rest and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise DefinitionError(f"{class_type}: parameter {name!r} must be keyword-only", hint="put a * before it")
        annotation, is_list = _element(hints.get(name))
        if is_list:
            lists.add(name)
        if annotation in (RunContext, GraphBuilder):
            injected[name] = _INJECTED[annotation]
            continue
        marker = _marker(annotation, (Socket, Hidden))
        if marker is None:
            raise DefinitionError(f"{class_type}: parameter {name!r} has no socket", hint="Annotated[int, Int(...)]")
        if isinstance(marker, Hidden):
            injected[name] = marker.io_type
            hidden.append(InputSpec(name, Socket(marker.io_type), "hidden"))
            continue
        raw = _marker(annotation, (RawLink,))
        if raw is not None:
            links[name] = raw.how
        section = "required" if parameter.default is inspect.Parameter.empty else "optional"
        shared = _marker(annotation, (Tooltip,))
        tooltip = tooltips.get(name) or (shared.text if shared is not None else None)
        lazy = _marker(annotation, (Lazy,)) is not None
        if lazy and mark.lazy is None:
            raise DefinitionError(f"{class_type}: parameter {name!r} is lazy", hint="say when it is needed: lazy=")
        said = {"tooltip": tooltip} if tooltip is not None and "tooltip" not in marker.options else {}
        socket = _with_options(marker, said | ({"lazy": True} if lazy else {}))
        inputs.extend(InputSpec(each_name, socket, section) for each_name in (each.names if each else (name,)))
    inputs.sort(key=lambda spec: spec.section == "optional")
    if "return" not in hints:
        raise DefinitionError(f"{class_type}: the function says not what it returns", hint="-> Image, -> UI, -> None")
    outputs, wrap = _read_outputs(class_type, hints["return"])
    call = _filled(wrap(function), inputs) if mark.unused else wrap(function)
    unfolding = [spec.name for spec in inputs if isinstance(spec.socket, Autogrow | DynamicCombo)]
    schema = NodeSchema(
        class_type=class_type,
        inputs=(*inputs, *hidden),
        outputs=outputs,
        description=description,
        input_is_list=bool(lists),
        **mark.listing() | {"display_name": mark.display_name or class_type},
    )
    return RunnableNode(
        schema,
        call=_folded(call, unfolding) if unfolding else call,
        options=mark,
        injected=injected,
        links=links,
        module=function.__module__,
        libraries=_libraries(function.__module__ or ""),
        asynchronous=inspect.iscoroutinefunction(function),
        wants=_wants(mark.lazy) if mark.lazy is not None else None,
        single=frozenset((*schema.names, *injected)) - lists if lists else frozenset(),
        rest=takes_rest,
    )


_compiled = cache(partial(compile, filename="<annotation>", mode="eval"))
_read_in: list[Any] = [None, {}]
"""The globals that annotations were last read in, and what each text meant there: those of a file repeat."""


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """What typing.get_type_hints(function, include_extras=True) gives, in a fraction of its time: most are texts."""
    scope = getattr(inspect.unwrap(function), "__globals__", None)
    if scope is not _read_in[0]:
        _read_in[:] = scope, {}
    known = _read_in[1]
    found: dict[str, Any] = {}
    try:
        for name, text in function.__annotations__.items():
            if text not in known:
                read = eval(_compiled(text.strip()), scope) if isinstance(text, str) else text
                if _is_open(read):
                    raise TypeError(text)
                known[text] = type(None) if read is None else read
            found[name] = known[text]
    except Exception:  # whatever is unusual about it, typing knows, or says what is wrong
        return typing.get_type_hints(function, include_extras=True)
    return found


def _is_open(annotation: Any) -> bool:
    """Whether texts stand in an annotation for what is to be read in turn."""
    if isinstance(annotation, str | typing.ForwardRef):
        return True
    inner = typing.get_args(annotation)
    # Of what is Annotated, only the first is a type.
    return any(_is_open(each) for each in (inner[:1] if getattr(annotation, "__metadata__", ()) else inner))


def _wants(lazy: Callable[[Mapping[str, Any]], Any]) -> Wants:
    return Wants(lambda **inputs: lazy(inputs), inspect.iscoroutinefunction(lazy))


def _libraries(module: str) -> tuple[str, ...]:
    """What the file of a node, else the nearest package around it, says in LIBRARIES: modules that a call imports."""
    while module:
        place = sys.modules.get(module)
        if place is not None and "LIBRARIES" in vars(place):
            return tuple(place.LIBRARIES)
        module = module.rpartition(".")[0]
    return ()


def _filled(call: Callable[..., Any], inputs: Sequence[InputSpec]) -> Callable[..., Any]:
    """The call with None for the inputs that were left out as unused."""
    nothing = dict.fromkeys(spec.name for spec in inputs if spec.section == "required")
    return lambda **given: call(**{**nothing, **given})


def _folded(call: Callable[..., Any], unfolding: Sequence[str]) -> Callable[..., Any]:
    """The call with `name.part` for each part of an unfolding input put into one dict, `name`."""

    def folded(**given: Any) -> Any:
        rows: dict[str, dict[str, Any]] = {name: {} for name in unfolding}
        plain: dict[str, Any] = {}
        for key, value in given.items():
            name, _, part = key.partition(".")
            if name in rows:
                rows[name][part or name] = value
            else:
                plain[key] = value
        return call(**plain, **rows)

    return folded


def _element(annotation: Any) -> tuple[Any, bool]:
    """What an annotation says of one value, and whether it is of a list of them.

    `Mask | None` is read as Mask: what None stands for is the function's own affair.
    """
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kept = [item for item in typing.get_args(annotation) if item is not type(None)]
        annotation = kept[0] if len(kept) == 1 else None
    if typing.get_origin(annotation) is list:
        return typing.get_args(annotation)[0], True
    return annotation, False


def _marker(annotation: Any, kinds: tuple[type, ...]) -> Any:
    """The last metadata of `annotation` of one of the kinds: what stands outermost in nested Annotated wins."""
    found = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, kinds)]
    return found[-1] if found else None


def _with_options(socket: Socket, options: Mapping[str, Any]) -> Socket:
    if not options:
        return socket
    documented = object.__new__(type(socket))
    for owner in type(socket).__mro__:
        for slot in getattr(owner, "__slots__", ()):
            setattr(documented, slot, getattr(socket, slot))
    documented.options = {**socket.options, **options}
    return documented


def _read_outputs(
    class_type: str, annotation: Any
) -> tuple[tuple[OutputSpec, ...], Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """The output slots of a return annotation, and what turns the function's value into the engine's form."""
    if annotation is type(None):
        return (), lambda function: function
    if annotation is UI:
        return (), lambda function: _followed(function, _shown)
    if typing.get_origin(annotation) is tuple:
        return tuple(_output(class_type, item) for item in typing.get_args(annotation)), lambda function: function
    return (_output(class_type, annotation),), lambda function: _followed(function, _single)


def _followed(function: Callable[..., Any], form: Callable[[Any], Any]) -> Callable[..., Any]:
    """The function, or the coroutine function, with its value in the engine's form."""
    if not inspect.iscoroutinefunction(function):
        return lambda **inputs: form(function(**inputs))

    async def call(**inputs: Any) -> Any:
        return form(await function(**inputs))

    return call


def _shown(value: Any) -> Any:
    return value if isinstance(value, Expanded) else {"ui": value}


def _single(value: Any) -> Any:
    return value if isinstance(value, Expanded) else (value,)


def _output(class_type: str, annotation: Any) -> OutputSpec:
    annotation, is_list = _element(annotation)
    socket = _marker(annotation, (Socket,))
    if socket is None:
        raise DefinitionError(f"{class_type}: return type {annotation!r} has no socket", hint="return an alias: Latent")
    named = _marker(annotation, (Output,))
    io_type = socket.io_type
    name = named.name if named else ("COMBO" if isinstance(io_type, tuple) else io_type)
    return OutputSpec(name, io_type, is_list, repeats=named.repeats if named else "")


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description (the text before `Args:`) and the tooltips (one `name: text` entry an argument)."""
    description, _, rest = text.partition("\nArgs:\n")
    tooltips: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        if line and not line[0].isspace():
            break  # the next section: Returns, Raises
        entry = re.match(r"\s{1,4}(\w+): (.+)", line)
        if entry:
            name = entry[1]
            tooltips[name] = entry[2].strip()
        elif name and line.strip():
            tooltips[name] += " " + line.strip()
    return " ".join(description.split()), tooltips
