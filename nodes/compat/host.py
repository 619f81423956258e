"""What the modules for packs know of the session that packs are loaded into, and of the node that is called."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from weft.engine.context import RunContext, called
from weft.engine.custom_nodes.records import Host, Serving
from weft.engine.folders import Folders
from weft.nodes.diffusion.eras import numbers_of

_HOSTS: list[Host] = []
"""At most one: the modules that packs import are the process's, so the last session that loaded packs has them."""
_SERVERS: list[Serving] = []
"""At most one: that which runs prompts in this process."""


def become(host: Host | None) -> None:
    """Make this the session of the modules; None leaves them without one."""
    _HOSTS[:] = [] if host is None else [host]


def host() -> Host:
    """The session of the modules. Raises RuntimeError where packs are not in use."""
    if not _HOSTS:
        raise RuntimeError("no packs are in use: nothing says which folders and node classes are meant")
    return _HOSTS[0]


def serve(server: Serving | None) -> None:
    """Make this the server that packs speak to; None leaves them without one."""
    _SERVERS[:] = [] if server is None else [server]


def serving() -> Serving | None:
    """The server that packs speak to, if there is one."""
    return _SERVERS[0] if _SERVERS else None


def folders() -> Folders:
    """The folders of the node that is called, else those of the session."""
    context = called()
    return context.folders if context is not None else host().folders


def context() -> RunContext:
    """The context of the node that is called; elsewhere one that nobody watches, with the session's folders."""
    found = called()
    return found if found is not None else RunContext(folders=host().folders, settings=host().settings)


def in_its_numbers() -> AbstractContextManager[None]:
    """Inside the block, numbers are of the era of the run whose node is called; elsewhere of the one that is on."""
    found = called()
    return nullcontext() if found is None else numbers_of(found.settings.numbers)
