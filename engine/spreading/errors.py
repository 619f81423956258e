"""Errors on their way from a worker: what a command says of the one that arrives is what it says of the first."""

from __future__ import annotations

from typing import Any, NamedTuple

from weft.engine.errors import WeftError, is_plain, of_machine


class SentError(NamedTuple):
    """An error as plain data: its class, what it holds, and of its cause the name, the text, and whether it is plain.

    What is none of Weft's own is one that says its name.
    """

    kind: type[WeftError]
    args: tuple[Any, ...]
    holds: dict[str, Any]
    cause: tuple[str, str, bool] | None = None

    @classmethod
    def of(cls, error: Exception) -> SentError:
        """What can be sent of an error."""
        if not isinstance(error, WeftError):
            error = WeftError(of_machine(error) or f"{type(error).__name__}: {error}")
        cause = error.__cause__
        told = None if cause is None else (type(cause).__name__, of_machine(cause) or str(cause), is_plain(cause))
        return cls(type(error), error.args, dict(error.__dict__), told)

    def received(self) -> WeftError:
        """The error again."""
        error = self.kind.__new__(self.kind, *self.args)
        error.__dict__.update(self.holds)
        if self.cause is not None:
            name, text, plain = self.cause
            error.__cause__ = type(name, (Exception,), {"plain": plain})(text)
        return error
