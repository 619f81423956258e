"""Lists: made of several values, and one of their values taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import MATCH_TYPE, Autogrow, Int, Socket
from weft.nodes.core.types import NEWER, Anything

LIBRARIES: tuple[str, ...] = ()

MOST = 100
_ANY = [MATCH_TYPE, {"template": {"template_id": "type", "allowed_types": "*"}}]
Row = Autogrow(template={"input": {"required": {"input": _ANY}}, "prefix": "input", "min": 1, "max": MOST})


@node(display_name="Create List", category="utils", python_module=NEWER)
def CreateList(
    *, inputs: list[Annotated[Mapping[str, Any], Row]]
) -> list[Annotated[Any, Socket(MATCH_TYPE), Output("list")]]:
    """Put values, and those of lists, into one list; what takes it is called for each.

    Args:
        inputs: The values, in their order.
    """
    rows: Mapping[str, list[Any]] = inputs  # type: ignore[assignment]  # a row of lists, not a list of rows
    return [value for values in rows.values() for value in values]


@node(display_name="Get Item From List", category="utils", python_module=NEWER)
def GetItemFromList(
    *, list: list[Anything], index: Annotated[int, Int(default=0, min=-(2**31), max=2**31 - 1)]
) -> Annotated[Any, Socket("*"), Output("*")]:
    """One value of a list.

    Args:
        list: The list.
        index: Which one, counted from 0; a negative number counts from the end.
    """
    try:
        return list[index]
    except IndexError:
        raise WeftError(f"the list has {len(list)} values, and none at {index}") from None
