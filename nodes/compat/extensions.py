"""The classes of a V3 pack: what its `comfy_entrypoint` returns, asked as ComfyUI asks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from weft.engine.errors import DefinitionError
from weft.engine.loops import in_loop
from weft.nodes.compat.modules.comfy_api.latest import ComfyExtension
from weft.nodes.compat.modules.comfy_api.latest._node import ComfyNode


class Extension(NamedTuple):
    """The classes of a pack by class_type, what it calls them, and what is wrong with those that cannot be used."""

    classes: dict[str, type]
    titles: dict[str, str]
    faults: dict[str, str]


def extension(entrypoint: Callable[[], Any]) -> Extension:
    """Call a `comfy_entrypoint`, which may be a coroutine function, and ask what it returns for its classes.

    Raises DefinitionError where it is no entry point, and what the pack's own code raises.
    """
    return in_loop(_asked(entrypoint))


async def _asked(entrypoint: Callable[[], Any]) -> Extension:
    made = await _awaited(entrypoint())
    if not isinstance(made, ComfyExtension):
        raise DefinitionError(f"comfy_entrypoint returned {type(made).__name__}, expected a ComfyExtension")
    await _awaited(made.on_load())
    listed = await _awaited(made.get_node_list())
    if not isinstance(listed, list | tuple):
        raise DefinitionError(f"get_node_list returned {type(listed).__name__}, expected a list of classes")
    found = Extension({}, {}, {})
    for cls in listed:
        if not (inspect.isclass(cls) and issubclass(cls, ComfyNode)):
            raise DefinitionError(f"get_node_list has {cls!r:.80}, expected classes of io.ComfyNode")
        try:
            schema = cls.GET_SCHEMA()
        except Exception as error:  # the author's code: it may raise anything
            found.faults[cls.__name__] = f"define_schema: {type(error).__name__}: {error}"
            continue
        found.classes[schema.node_id] = cls
        if schema.display_name:
            found.titles[schema.node_id] = schema.display_name
    return found


async def _awaited(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given
