"""What can go wrong in the diffusion library, and how its messages help.

Every error derives from DiffusionError, so a face catches one type. A message says what was got, what was
expected, where, and the nearest name where a name is wrong. What stops nothing is told to the `warn` that a function is
given; where it is given none, it is a Python warning.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral, Real

Warn = Callable[[str], None]
"""Is told, in a sentence, of what stops nothing."""


class DiffusionError(ValueError):
    """A request that the diffusion library cannot fulfil as it was made."""

    plain = True  # the message says all: whoever shows it needs no traceback


class CheckpointError(DiffusionError):
    """A weight file that cannot be read, is of a family that is not supported, or does not fit its network."""


class PatchError(DiffusionError):
    """A patch that names no parameter of the network, or whose result has another shape."""


class DeviceError(DiffusionError):
    """A device or a number format that this machine does not have."""


class DiffusionWarning(UserWarning):
    """What the diffusion library has to say where nobody asked to be told."""


def python_warning(message: str) -> None:
    """The `warn` of callers that give none."""
    warnings.warn(message, DiffusionWarning, stacklevel=2)


def whole_number(name: str, value: object, least: int | None = None) -> int:
    """The value, or DiffusionError where it is no whole number or below `least`: a linked input may hold anything."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DiffusionError(f"{name} must be a whole number, got {value!r:.100}")
    if least is not None and value < least:
        raise DiffusionError(f"{name} must {'not be negative' if least == 0 else f'be at least {least}'}, got {value}")
    return int(value)


def finite_number(name: str, value: object) -> float:
    """The value, or DiffusionError where it is no number, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise DiffusionError(f"{name} must be a finite number, got {value!r:.100}")
    return float(value)


def nearest(name: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` with the choice closest to `name`, or `""` where none is close."""
    close = difflib.get_close_matches(str(name), list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
