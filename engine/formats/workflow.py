"""The UI format: what ComfyUI's editor saves. Versions 0.4 and 1, which differ only in how links are written.

The document is kept as it was given, so nothing is lost: parse then dump is the same document. The classes here are
the part of it that decides what runs; native reroutes have no say in that, positions, colours and groups only where a
pack's broadcast is restricted to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from weft.engine.documents import is_deeper, kind_of, pointer
from weft.engine.errors import Issue, UnreadableWorkflow

MAX_DEPTH = 100
"""How deeply lists and objects of a document may be nested; the deepest ones people share have about 15 levels."""

NEWEST_VERSION = 1


def _as_id(value: Any) -> str:
    """Ids are numbers or text, and "4" is 4; null is for those that may be missing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"expected an id (a number or text), got {kind_of(value)}")
    return str(value)


def _text(value: Any) -> Any:
    return "" if value is None else value


def _list(value: Any) -> Any:
    return [] if value is None else value


def _without_nulls(value: Any) -> Any:
    return [item for item in value if item is not None] if isinstance(value, list) else _list(value)


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


def _ids(value: Any) -> list[str]:
    """A list of ids; what is none in it is no concern of ours."""
    items = value if isinstance(value, list) else ()
    return [_as_id(item) for item in items if isinstance(item, int | str) and not isinstance(item, bool)]


Id = Annotated[str, BeforeValidator(_as_id)]
OptionalId = Annotated[str | None, BeforeValidator(lambda value: None if value is None else _as_id(value))]
Text = Annotated[str, BeforeValidator(_text)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Slot(_Part):
    """A socket of a node as it was saved. `link` is the one wire of an input, `links` those of an output."""

    name: Text = ""
    io_type: Any = Field(default=None, alias="type")
    link: OptionalId = None
    links: Annotated[list[str], BeforeValidator(_ids)] = []
    widget: Any = None

    @property
    def widget_name(self) -> str | None:
        """The widget that this input stands for, if any."""
        name = self.widget.get("name") if isinstance(self.widget, dict) else None
        return name if isinstance(name, str) else None


class Node(_Part):
    """A node on a canvas. `mode`: 2 muted, 4 bypassed, everything else runs."""

    id: Id
    type: str
    mode: Annotated[int, BeforeValidator(lambda value: 0 if value is None else value)] = 0
    title: Any = None
    inputs: Annotated[list[Slot], BeforeValidator(_list)] = []
    outputs: Annotated[list[Slot], BeforeValidator(_list)] = []
    properties: Annotated[dict[str, Any], BeforeValidator(_object)] = {}
    widgets_values: Any = None
    widgets_values_named: Any = None
    pos: Any = None
    size: Any = None
    color: Any = None

    @property
    def name(self) -> str | None:
        """The title that the user gave it, if any."""
        return self.title if isinstance(self.title, str) and self.title else None


class Wire(_Part):
    """A link: `[id, origin_id, origin_slot, target_id, target_slot, type]`, or an object with these names."""

    id: Id
    origin_id: Id
    origin_slot: int
    target_id: OptionalId = None
    target_slot: Any = None

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if len(value) < 5:
            raise ValueError(f"expected [id, origin_id, origin_slot, target_id, target_slot, type], got {len(value)}")
        return dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot"), value, strict=False))


class Panel(_Part):
    """One input or output of a subgraph."""

    name: Text = ""
    io_type: Any = Field(default=None, alias="type")
    link_ids: Annotated[list[str], BeforeValidator(_ids)] = Field(default=[], alias="linkIds")
    label: Any = None

    @property
    def label_text(self) -> str:
        """What the editor shows in place of the name, if the user changed that."""
        return self.label if isinstance(self.label, str) else ""


class Definitions(_Part):
    """The subgraphs that a canvas defines."""

    subgraphs: Annotated[list[Canvas], BeforeValidator(_list)] = []


class Canvas(_Part):
    """A graph: the whole workflow, or one subgraph definition, which has an id, inputs and outputs."""

    id: OptionalId = None
    name: Text = ""
    nodes: list[Node]
    links: Annotated[list[Wire], BeforeValidator(_without_nulls)] = []
    inputs: Annotated[list[Panel], BeforeValidator(_list)] = []
    outputs: Annotated[list[Panel], BeforeValidator(_list)] = []
    definitions: Definitions | None = None
    extra: Annotated[dict[str, Any], BeforeValidator(_object)] = {}
    groups: Annotated[list[Any], BeforeValidator(lambda value: value if isinstance(value, list) else [])] = []


class Workflow:
    """A parsed UI document. `notes` say what is wrong with the file that it came from; `made` as in a Prompt."""

    def __init__(self, document: dict[str, Any], canvas: Canvas) -> None:
        self.document = document
        self.canvas = canvas
        self.notes: tuple[Issue, ...] = ()
        self.made: Mapping[str, Any] = {}

    @classmethod
    def parse(cls, document: Any) -> Workflow:
        """Read what the editor saved. Raises UnreadableWorkflow with the JSON pointer of what is not as expected.

        The document is kept, not copied: do not change it afterwards.
        """
        if not isinstance(document, dict):
            raise UnreadableWorkflow(f"expected a JSON object with nodes and links, got {kind_of(document)}")
        if not isinstance(document.get("nodes"), list):
            found = ", ".join(list(map(str, document))[:8]) or "nothing"
            raise UnreadableWorkflow(f"no workflow of the editor: it has no list of nodes, only {found}")
        _check_version(document.get("version"))
        if is_deeper(document, MAX_DEPTH):
            raise UnreadableWorkflow(f"the workflow is nested more than {MAX_DEPTH} levels deep")
        try:
            canvas = Canvas.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message = first["msg"].removeprefix("Value error, ")
            got = "" if first["type"] in ("missing", "value_error") else f", got {kind_of(first['input'])}"
            more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
            where = pointer(*first["loc"])
            raise UnreadableWorkflow(f"{where}: {message}{got}{more}", pointer=where) from error
        return cls(document, canvas)

    def dump(self) -> dict[str, Any]:
        """The document, as it was given to parse (not a copy)."""
        return self.document

    def definitions(self) -> Iterator[tuple[str, Canvas]]:
        """Every subgraph definition with its JSON pointer; those inside other definitions too."""
        todo = [("", self.canvas)]
        while todo:
            place, canvas = todo.pop()
            for index, subgraph in enumerate(canvas.definitions.subgraphs if canvas.definitions else ()):
                inner = f"{place}/definitions/subgraphs/{index}"
                yield inner, subgraph
                todo.append((inner, subgraph))


def _check_version(version: Any) -> None:
    if isinstance(version, int | float) and version > NEWEST_VERSION:
        raise UnreadableWorkflow(f"/version: {version} is newer than {NEWEST_VERSION}, the newest that is known")
