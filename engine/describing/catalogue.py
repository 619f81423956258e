"""The node classes as one looks for them: by words, by category, by what they take and give, commonest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.schema.node import InputSpec, NodeSchema
from weft.engine.schema.sockets import IoType, type_name

PLAIN = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
"""Types whose values a workflow may write: links of them are of all kinds, and to list those tells nobody anything."""


class End(NamedTuple):
    """One end that a link may have: a class, and its output (by number) or input (by name)."""

    class_type: str
    port: int | str


class Catalogue:
    """Node classes in the order in which lists show them: those of `common` first, then by name.

    Internal classes are not in it.
    """

    def __init__(self, schemas: Iterable[NodeSchema], common: Sequence[str] = ()) -> None:
        ranks = {class_type: rank for rank, class_type in enumerate(reversed(common), 1)}
        shown = [one for one in schemas if not one.internal]
        self.schemas = sorted(shown, key=lambda one: (-ranks.get(one.class_type, 0), one.class_type.casefold()))
        self._givers: dict[str, list[End]] = defaultdict(list)
        self._takers: dict[str, list[End]] = defaultdict(list)
        for one in self.schemas:
            if one.deprecated:
                continue  # nobody is to be led to it
            for slot, output in enumerate(one.declared):
                if output.repeats:
                    continue  # what it gives comes from elsewhere
                _note(self._givers, output.io_type, End(one.class_type, slot))
            for spec in _links(one):
                _note(self._takers, spec.socket.accepts, End(one.class_type, spec.name))

    def search(self, text: str) -> list[NodeSchema]:
        """The classes in which each word of a text is found, the best first.

        It counts most in the class_type, then in the display name, the category, the description, the inputs' names.
        One whose class_type or display name is the text is found alone.
        """
        wanted = text.casefold()
        called = [one for one in self.schemas if wanted in (one.class_type.casefold(), one.display_name.casefold())]
        if called:
            return called
        words = wanted.split()
        ranked = [(_rank(one, words), one) for one in self.schemas]
        return [one for rank, one in sorted(ranked, key=lambda pair: pair[0] or 0) if rank is not None]

    def in_category(self, category: str) -> list[NodeSchema]:
        """The classes below a category. Raises UsageError for one that nothing stands in."""
        wanted = category.casefold().strip("/")
        found = [one for one in self.schemas if f"{one.category}/".casefold().startswith(f"{wanted}/")]
        if not found:
            raise UsageError(f"no category {category!r}", hint=did_you_mean(category, self._categories()))
        return found

    def _categories(self) -> set[str]:
        parts = [one.category.split("/") for one in self.schemas]
        return {"/".join(each[:depth]) for each in parts for depth in range(1, len(each) + 1)}

    def giving(self, io_type: str) -> list[NodeSchema]:
        """The classes with an output of a type. Raises UsageError for a type that no class has."""
        return self._with(io_type, self._givers)

    def accepting(self, io_type: str) -> list[NodeSchema]:
        """The classes with an input for a type; what takes anything is not meant. Raises UsageError as `giving`."""
        return self._with(io_type, self._takers)

    def _with(self, io_type: str, ends: dict[str, list[End]]) -> list[NodeSchema]:
        known = {name.casefold(): name for name in (*self._givers, *self._takers)}
        name = known.get(io_type.casefold())
        if name is None:
            raise UsageError(
                f"no node class has the type {io_type!r}", hint=did_you_mean(io_type.upper(), known.values())
            )
        found = {end.class_type for end in ends.get(name, ())}
        return [one for one in self.schemas if one.class_type in found]

    def givers(self, accepts: IoType) -> list[End]:
        """The outputs that may be linked to an input of a type, one a class; none where anything may, or a value."""
        return _ends(self._givers, accepts)

    def takers(self, gives: IoType) -> list[End]:
        """The inputs that an output of a type may be linked to, one a class; none as for `givers`."""
        return _ends(self._takers, gives)

    def feeds(self, spec: InputSpec) -> tuple[str, int]:
        """What commonly feeds an input: a class, and the number of its output."""
        first = next(iter(self.givers(spec.socket.accepts)), None)
        return (type_name(spec.socket.accepts), 0) if first is None else (first.class_type, int(first.port))


def _links(schema: NodeSchema) -> Iterator[InputSpec]:
    """The inputs of a class with its default choices, those first that take nothing but a link."""
    given = schema.given({spec.name: spec.socket.options.get("default") for spec in schema.by_name.values()})
    yield from sorted(given.values(), key=lambda spec: spec.socket.is_widget)


def _parts(io_type: IoType) -> list[str]:
    """The types that a type is made of, but for those that fit everything."""
    parts = ["COMBO"] if isinstance(io_type, tuple) else [part.strip() for part in type_name(io_type).split(",")]
    return [part for part in parts if part != "*" and not part.startswith("COMFY_")]


def _note(ends: dict[str, list[End]], io_type: IoType, end: End) -> None:
    for part in _parts(io_type):
        if not ends[part] or ends[part][-1].class_type != end.class_type:
            ends[part].append(end)


def _ends(ends: dict[str, list[End]], io_type: IoType) -> list[End]:
    parts = _parts(io_type)
    if PLAIN.intersection(parts):
        return []
    found = [end for part in parts for end in ends.get(part, ())]
    return list({end.class_type: end for end in reversed(found)}.values())[::-1]


def _rank(schema: NodeSchema, words: Sequence[str]) -> int | None:
    """How far from the front the words are found, together; None where one is not."""
    inputs = " ".join(schema.by_name)
    places = (schema.class_type, schema.display_name, schema.category, schema.description, inputs)
    folded = [place.casefold() for place in places]
    found = [next((rank for rank, place in enumerate(folded) if word in place), None) for word in words]
    return None if None in found else sum(rank for rank in found if rank is not None)
