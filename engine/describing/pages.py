"""Node classes as pages of Markdown: one a class, and an index by category."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from weft.engine.describing.catalogue import Catalogue, End
from weft.engine.describing.constants import is_plain
from weft.engine.describing.examples import example_text
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.sockets import Autogrow, Combo, DynamicCombo, Files, Listed, type_name

INDEX = "README.md"
SHOWN = 6
"""So many neighbours are named."""


def file_name(class_type: str) -> str:
    """What the page of a class is called: its name, with _ for what a file or an address may not have."""
    return re.sub(r"[^\w.+-]+", "_", class_type).strip("_") + ".md"


def pages(catalogue: Catalogue, made_by: str) -> dict[str, str]:
    """The text of each page, by the name of its file; the index says by what they are made."""
    found = {file_name(one.class_type): page(one, catalogue) for one in catalogue.schemas}
    return {INDEX: index(catalogue.schemas, made_by), **found}


def index(schemas: Iterable[NodeSchema], made_by: str) -> str:
    """The classes below their categories, each with the first sentence of its description."""
    rows = sorted(schemas, key=lambda one: (one.category.casefold(), one.class_type.casefold()))
    lines = ["# Node classes", "", f"{len(rows)} classes, by category. Made by `{made_by}`."]
    for category, group in groupby(rows, key=lambda one: one.category):
        lines += ["", f"## {category or 'without a category'}", ""]
        lines += [f"- {_link(one.class_type)}{_said(one)}" for one in group]
    return "\n".join(lines) + "\n"


def _said(schema: NodeSchema) -> str:
    named = f" ({_text(schema.display_name)})" if schema.display_name not in ("", schema.class_type) else ""
    sentence = re.split(r"(?<=[.!?])\s", schema.description.strip(), maxsplit=1)[0]
    return f"{named}: {_text(sentence)}" if sentence else named


def page(schema: NodeSchema, catalogue: Catalogue) -> str:
    """All there is to know of one class, whatever files there are: with links to the pages of its neighbours."""
    told = [f"**{_text(schema.display_name or schema.class_type)}**", _text(schema.category)]
    told += [name.replace("_", " ") for name in ("deprecated", "experimental", "output_node") if getattr(schema, name)]
    lines = [f"# {_text(schema.class_type)}", "", " · ".join(filter(None, told))]
    if schema.description:
        lines += ["", _text(schema.description)]
    lines += _inputs(schema, catalogue)
    lines += ["", "## Outputs", ""]
    if schema.declared:
        lines += ["| | output | type | commonly to |", "| --- | --- | --- | --- |"]
    for slot, output in enumerate(schema.declared):
        kind = _text(type_name(output.io_type)) + (" (a list)" if output.is_list else "")
        lines.append(f"| {slot} | {_text(output.name)} | {kind} | {_ends(catalogue.takers(output.io_type))} |")
    if not schema.declared:
        lines.append("None: it ends a workflow." if schema.output_node else "None.")
    elif len(schema.declared) < len(schema.outputs):
        lines += ["", "And as many more as a workflow takes."]
    node = example_text(schema, catalogue.feeds)
    lines += ["", "## In a workflow", "", "Ids are called here after the classes of their nodes.", ""]
    return "\n".join([*lines, "```json", node, "```", "", f"[All node classes]({INDEX})"]) + "\n"


def _inputs(schema: NodeSchema, catalogue: Catalogue) -> Iterator[str]:
    for section, title in (("required", "Inputs"), ("optional", "Optional inputs")):
        specs = [spec for spec in schema.by_name.values() if spec.section == section]
        if not specs:
            continue
        yield from ("", f"## {title}", "", "| input | takes | what it is |", "| --- | --- | --- |")
        for spec in specs:
            yield from _rows(spec, catalogue)


def _rows(spec: InputSpec, catalogue: Catalogue) -> Iterator[str]:
    socket = spec.socket
    told = [_text(str(socket.options.get("tooltip") or ""))]
    if not socket.is_widget and not isinstance(socket, Autogrow) and (ends := catalogue.givers(socket.accepts)):
        told.append(f"Commonly from {_ends(ends)}.")
    yield f"| `{_cell(spec.name)}` | {'; '.join(takes(spec))} | {' '.join(filter(None, told))} |"
    if isinstance(socket, DynamicCombo):
        for choice, branch in socket.branches.items():
            for section, name, inner in branch:
                brought = InputSpec(f"{spec.name}.{name}", inner, section)
                for row in _rows(brought, catalogue):
                    yield row.removesuffix("|").rstrip() + f" Where {_cell(spec.name)} is `{_cell(str(choice))}`. |"
    elif isinstance(socket, Autogrow):
        yield from _rows(InputSpec(f"{spec.name}.{socket.names[0]}", socket.item, spec.section), catalogue)


def takes(spec: InputSpec) -> Iterator[str]:
    """What an input takes, fact by fact: type, default, range, choices."""
    socket, options = spec.socket, spec.socket.options
    if isinstance(socket, Listed):
        yield f"a {socket.noun} in `{socket.folder}/`"
        if isinstance(socket, Files) and socket.extra_choices:
            yield "or " + ", ".join(_code(choice) for choice in socket.extra_choices)
        return
    if isinstance(socket, Autogrow):
        names = [_code(f"{spec.name}.{name}") for name in (*socket.names[:2], socket.names[-1])]
        yield f"a row of {_text(type_name(socket.item.accepts))}: {names[0]}, {names[1]}, ... {names[2]}"
        return
    yield "one of several" if isinstance(socket, Combo) else _text(type_name(socket.accepts))
    default = options.get("default")
    if default not in (None, "") and is_plain(default):
        yield f"default {_code(default)}"
    if "min" in options and "max" in options:
        yield f"{options['min']} to {options['max']}"
    if isinstance(socket, Combo) and socket.choices:
        yield ", ".join(_code(choice) for choice in socket.choices)
        if socket.unsupported:
            yield "not supported here: " + ", ".join(_code(choice) for choice in socket.unsupported)


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"`{_cell(text)}`" if text else '`""`'


def _ends(ends: Sequence[End]) -> str:
    """The first of several ends, with links to their pages; how many more there are changes with every new class."""
    named = ", ".join(f"{_link(end.class_type)} `{end.port}`" for end in ends[:SHOWN])
    return named + (" and others" if len(ends) > SHOWN else "")


def _link(class_type: str) -> str:
    return f"[{_text(class_type)}]({quote(file_name(class_type), safe='+')})"


def _text(text: str) -> str:
    """A text of a pack's in a line of Markdown."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def _cell(text: str) -> str:
    """A text inside backticks in a cell of a table."""
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|")
