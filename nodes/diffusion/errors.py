"""What can go wrong in the diffusion library, and how its messages help.

Every error derives from DiffusionError, so a face catches one type. A message says what was got, what was
expected, where, and the nearest name where a name is wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DiffusionError(ValueError):
    """A request that the diffusion library cannot fulfil as it was made."""


class CheckpointError(DiffusionError):
    """A weight file that cannot be read, is of a family that is not supported, or does not fit its network."""


class PatchError(DiffusionError):
    """A patch that names no parameter of the network, or whose result has another shape."""


class DeviceError(DiffusionError):
    """A device or a number format that this machine does not have."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` with the choice closest to `name`, or `""` where none is close."""
    close = difflib.get_close_matches(str(name), list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
