"""What node packs written for ComfyUI import: `folder_paths`, `nodes`, `comfy.utils`, ..., on Weft's own values.

Packs know ComfyUI by the names of its modules. While packs are in use a finder of imports (finder.py) answers those
names with the modules below `modules/`: `import comfy.utils` gives `modules/comfy/utils.py`, the module object itself,
so that a pack which replaces a function there replaces it for all. Without packs nothing of this is imported, and no
name is taken.

How to add a module: write the file that bears its name. `modules/comfy/samplers.py` is `comfy.samplers`, also as
`from comfy import samplers`. Nothing is registered. In it

- what Weft has is imported from `weft.nodes`, torch inside functions where that is easy; packs need torch anyway;
- another module of this kind is imported by its place, `from weft.nodes.compat.modules.comfy import utils`, never by
  ComfyUI's name;
- what depends on the run is asked of `weft.nodes.compat.host`: `host().registry`, `.folders`, `.settings`, and
  `context()`, the RunContext of the node that is called, for progress, warnings and devices;
- what is left out needs no line: a name that a module lacks is answered by missing.py. A module-level `__getattr__` of
  its own is asked first; it raises AttributeError for what it does not know.

A module `NAME` of a root (finder.ROOTS) that has no file is made of placeholders, and a name that a module has not is
one: what needs it fails at its first use, with an error that names the pack, the module and the attribute. Where the
pack guards the import (`try: ... except ImportError`), it gets the ImportError for which it is prepared.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from typing import Any

from weft.engine.custom_nodes.records import AddedRoute, Host, Serving
from weft.nodes.compat.finder import install, uninstall
from weft.nodes.compat.host import host
from weft.nodes.compat.host import serve as _serve
from weft.nodes.compat.missing import MissingName, lacking
from weft.nodes.compat.modules.comfyui_version import __version__ as version
from weft.nodes.compat.replaced import loading, replaced
from weft.nodes.compat.states import WATCHED, restore, state

__all__ = [
    "WATCHED", "Host", "MissingName", "host", "install", "lacking", "loading", "replaced", "restore", "serve", "state",
    "uninstall", "version",
]  # fmt: skip


def serve(server: Serving | None) -> list[AddedRoute]:
    """From now on packs speak to this server, or to none; gives the routes that they have added."""
    _serve(server)
    module = sys.modules.get(f"{__name__}.modules.server")
    return list(module.PromptServer.instance.added()) if module is not None else []


def on_prompt(prompt: Mapping[str, Any], extra: Callable[[], Mapping[str, Any]]) -> tuple[Any, list[str]] | None:
    """What the packs' handlers make of a prompt that is sent, and what went wrong; None where there is no handler.

    `extra` gives the extra_pnginfo.
    """
    server = sys.modules.get(f"{__name__}.modules.server")
    handlers = server.PromptServer.instance.on_prompt_handlers if server is not None else []
    if not handlers:
        return None
    data: Any = {"prompt": copy.deepcopy(prompt), "extra_data": {"extra_pnginfo": extra()}, "client_id": "weft"}
    failed: list[str] = []
    for handler in handlers:
        try:
            data = handler(data)
        except Exception as error:  # a pack's own code: it may raise anything
            failed.append(f"{handler.__module__}.{handler.__qualname__}: {type(error).__name__}: {error}")
    return (data or {}).get("prompt"), failed
