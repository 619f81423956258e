"""Descriptions of node classes."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from weft.engine.describing.catalogue import Catalogue, End
from weft.engine.describing.examples import example_text
from weft.engine.errors import UsageError, did_you_mean, looked_in, one_line
from weft.engine.folders import Folders
from weft.engine.schema.node import DescribedNode, InputSpec, NodeSchema, RunnableNode
from weft.engine.schema.registry import HOW_CLASSES_GET_IN, Registry
from weft.engine.schema.sockets import Combo, Listed, type_name
from weft.engine.terminal.streams import Line

if TYPE_CHECKING:
    from weft.engine.custom_nodes.records import CustomPack


def find(registry: Registry, catalogue: Catalogue, text: str) -> list[NodeSchema]:
    """The class that is called so, by its class_type or its display name; else those that have the words, best first.

    Raises UsageError where nothing has them.
    """
    if text in registry:
        return [registry[text]]
    fault, hint = registry.unknown(text)
    if text in set(registry):
        raise UsageError(fault, hint=hint)
    found = catalogue.search(text)
    if not found:
        near = did_you_mean(text, [name for one in catalogue.schemas for name in (one.class_type, one.display_name)])
        hint = "; ".join(filter(None, (near or "weft nodes lists all", *registry.broken, HOW_CLASSES_GET_IN)))
        raise UsageError(f"no node class is called {text!r} or has it in a name", hint=hint)
    return found


def table(schemas: Iterable[NodeSchema], *, grouped: bool = False) -> Iterator[Line]:
    """One line a class, in the given order: class_type, display name, category.

    Grouped, for people, the category stands above its classes instead: so a line fits into 80 columns.
    """
    rows = [(one.category, one.class_type, one.display_name) for one in schemas]
    if grouped:
        for category, classes in groupby(sorted(rows), key=itemgetter(0)):
            yield [(category, "cyan")]
            for _, class_type, display_name in classes:
                yield ["  ", (class_type, "bold"), f"  {display_name}" if display_name != class_type else ""]
        return
    wide = max((len(row[1]) for row in rows), default=0)
    wider = max((len(row[2]) for row in rows), default=0)
    for category, class_type, display_name in rows:
        yield [(f"{class_type:{wide}}", "bold"), f"  {display_name:{wider}}  ", (category, "cyan")]


def packs_table(packs: Sequence[CustomPack]) -> Iterator[Line]:
    """One line a custom node pack, and below it why it did not load or what there is to say of it."""
    if not packs:
        yield ["no custom node packs: --custom-nodes DIR names a folder of them"]
    wide = max((len(pack.name) for pack in packs), default=0)
    for pack in packs:
        count = len(pack.nodes)
        what = f"{count} class{'es' if count != 1 else ''}"
        status = ("failed", "red") if pack.error else ("loaded", "green")
        yield [
            (f"{pack.name:{wide}}", "bold"),
            "  ",
            status,
            f"  {'' if pack.error else f'{what}, '}{pack.seconds:.2f} s",
        ]
        for text in _facts(pack):
            yield [f"  {one_line(text)}"]
    failed = sum(bool(pack.error) for pack in packs)
    if packs:
        yield [f"{len(packs) - failed} loaded, {failed} failed, {_classes(sum(len(pack.nodes) for pack in packs))}"]


def _classes(count: int) -> str:
    return f"{count} class{'es' if count != 1 else ''}"


def _facts(pack: CustomPack) -> Iterator[str]:
    if pack.error:
        yield f"{pack.error} ({pack.hint})" if pack.hint else pack.error
    yield from (note for note in pack.notes if note not in pack.error)
    if pack.hidden:
        yield f"others' classes stand for: {', '.join(pack.hidden)}"
    if pack.lacks:
        yield f"asked for what Weft has not: {', '.join(pack.lacks)}"


def page(node: RunnableNode | DescribedNode, folders: Folders, catalogue: Catalogue) -> Iterator[Line]:
    """All there is to know of one class: of its own, and of the others that it is linked to."""
    schema = node.schema
    width = max(40, min(shutil.get_terminal_size().columns, 120))
    yield [(schema.class_type, "bold"), f'  "{schema.display_name}"  ', (schema.category, "cyan")]
    for line in textwrap.wrap(schema.description, width):
        yield [line]
    where, _, pack = schema.python_module.partition(".")
    if where == "custom_nodes":
        own = getattr(node, "module", "").partition(".")[0] == __name__.partition(".")[0]
        yield [f"A substitute of Weft's for the class of {pack}." if own else f"From custom nodes: {pack}."]
    if node.unavailable:
        yield [("It cannot be run here: ", "yellow"), node.unavailable]
    specs = list(schema.by_name.values())
    wide = max((len(spec.name) for spec in specs), default=0)
    for section in ("required", "optional"):
        chosen = [spec for spec in specs if spec.section == section]
        if chosen:
            yield [""]
            yield [("Inputs" if section == "required" else "Optional inputs", "bold")]
        for spec in chosen:
            whole = isinstance(node, RunnableNode) and schema.input_is_list and not node.takes_one(spec.name)
            lazy = isinstance(node, RunnableNode) and node.wants is not None and spec.socket.options.get("lazy")
            said = "  (a list)" if whole else "  (lazy)" if lazy else ""
            yield ["  ", (f"{spec.name:{wide}}", "green"), f"  {_takes(spec)}{said}"]
            indent = " " * (wide + 4)
            for text in (*_notes(spec, folders), *_others("from", _givers(spec, catalogue))):
                lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
                yield from ([line] for line in lines)
    yield [""]
    yield [("Outputs", "bold")]
    wide = max((len(out.name) for out in schema.declared), default=0)
    for slot, out in enumerate(schema.declared):
        kind = type_name(out.io_type)
        named = out.name if out.name == kind else f"{out.name:{wide}}  {kind}"
        yield [f"  {slot}  {named}" + ("  (a list)" if out.is_list else "")]
        for text in _others("to", catalogue.takers(out.io_type)):
            yield from (
                [line] for line in textwrap.wrap(text, width, initial_indent="     ", subsequent_indent="     ")
            )
    if len(schema.declared) < len(schema.outputs):
        yield ["  ...  and as many more as a workflow takes"]
    if not schema.outputs:
        yield ["  none" + (": it ends a workflow" if schema.output_node else "")]
    yield [""]
    yield [("In a workflow", "bold"), ", with ids after the classes of the nodes"]
    yield from ([f"  {line}"] for line in example_text(schema, catalogue.feeds).splitlines())


_NAMED = 6
"""So many of the others are named, the rest counted."""


def _givers(spec: InputSpec, catalogue: Catalogue) -> list[End]:
    return [] if spec.socket.is_widget else catalogue.givers(spec.socket.accepts)


def _others(way: str, ends: Sequence[End]) -> Iterator[str]:
    """One line about the ends of links from or to an input or output."""
    if ends:
        more = f" and {len(ends) - _NAMED} more" if len(ends) > _NAMED else ""
        yield f"{way} {', '.join(f'{end.class_type} {end.port}' for end in ends[:_NAMED])}{more}"


def _takes(spec: InputSpec) -> str:
    """The type of an input, its default and its range."""
    socket, options = spec.socket, spec.socket.options
    if isinstance(socket, Listed):
        return f"a {socket.noun} in {socket.folder}/"
    facts = [type_name(socket.io_type)]
    if "default" in options:
        facts.append(f"default {json.dumps(options['default'], ensure_ascii=False, default=str)}")
    if "min" in options and "max" in options:
        facts.append(f"{options['min']} to {options['max']}")
    return ", ".join(facts)


def _notes(spec: InputSpec, folders: Folders) -> Iterator[str]:
    """What stands below an input: its choices or files, and its tooltip."""
    socket = spec.socket
    if isinstance(socket, Listed):
        names = socket.names(folders)
        nothing = f"no {socket.noun} is there; {looked_in(folders.folders(socket.folder))}"
        yield f"{socket.noun}s: {', '.join(names)}" if names else nothing
    elif isinstance(socket, Combo) and socket.choices is not None:
        yield f"choices: {', '.join(str(choice) for choice in socket.choices)}"
        if socket.unsupported:
            yield f"not supported here: {', '.join(map(str, socket.unsupported))}"
    if socket.options.get("tooltip"):
        yield socket.options["tooltip"]
