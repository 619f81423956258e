"""What a run depends on and a process cannot change for it: that of a run and that of its worker must be equal.

The rest comes with each run: arguments, the three streams, current folder, umask, and the variables of `is_free`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from weft.engine.worker.places import installation

_FREE = frozenset(
    {
        *("_", "PWD", "OLDPWD", "SHLVL", "TERM", "COLUMNS", "LINES", "NO_COLOR"),
        *("WINDOW", "WINDOWID", "TMUX", "TMUX_PANE", "STY", "GPG_TTY", "TERM_SESSION_ID", "ITERM_SESSION_ID"),
        *("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "XDG_SESSION_ID"),
    }
)
_NAMESPACES = ("mnt", "net", "user")


def is_free(variable: str) -> bool:
    """Whether a run may have another value in its environment: Weft's settings, and what tells terminals apart.

    Any other one may have been read once for all, by Python, by a library or by a pack.
    """
    return variable in _FREE or variable.startswith("WEFT_")


def identity() -> dict[str, Any]:
    """That of this process, as JSON has it. To be taken before anything changes the environment."""
    return {
        "the Python": [sys.version, sys.executable, sys.prefix, str(sys.flags), sys.warnoptions],
        "the installation": installation(),
        "the path of imports": sys.path,
        "the user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())],
        "the limits of the process": _limits(),
        "the file system": [*os.stat("/")[1:3], *_namespaces()],
        "the encodings": [[stream.encoding, stream.errors] for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "environment": {name: value for name, value in os.environ.items() if not is_free(name)},
    }


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what two identities differ, in words; empty where they are equal."""
    for name in one.keys() | other.keys():
        mine, theirs = one.get(name), other.get(name)
        if mine == theirs:
            continue
        if name == "environment" and isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            differing = sorted(each for each in mine.keys() | theirs.keys() if mine.get(each) != theirs.get(each))
            return f"{', '.join(differing)} in the environment"
        return name
    return ""


def _limits() -> list[Any]:
    import resource

    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    return [[list(resource.getrlimit(getattr(resource, name))) for name in names], os.nice(0), cores]


def _namespaces() -> list[str]:
    try:
        return [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES]
    except OSError:  # not Linux
        return []
