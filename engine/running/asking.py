"""Asking a node which of its lazy inputs it needs, before it is called: ComfyUI's check_lazy_status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.engine.errors import Interrupted, NodeError, WeftError
from weft.engine.links import Link
from weft.engine.running.call import Call, Wanted, is_there
from weft.engine.running.failures import failure
from weft.engine.schema.node import Wants


class NodeInputError(WeftError):
    """A node asked for an input that it was not given."""


class Asking(Call):
    """A node that is asked what it needs, before it is called."""

    __slots__ = ()

    @property
    def asynchronous(self) -> bool:
        return self._wants.asynchronous

    def perform(self) -> Wanted | NodeError:
        inputs: dict[str, Any] = {}
        try:
            links: dict[str, Link] = {}
            for inputs in self.each():
                links |= self._missing(inputs, self._wants.call(**inputs))
            return Wanted(tuple(links.values()))
        except Interrupted:
            raise
        except Exception as error:  # the author's code: it may raise anything
            return self._failed(error, inputs)

    async def awaited(self) -> Wanted | NodeError:
        inputs: dict[str, Any] = {}
        try:
            links: dict[str, Link] = {}
            for inputs in self.each():
                asked: Any = self._wants.call(**inputs)
                links |= self._missing(inputs, await asked)
            return Wanted(tuple(links.values()))
        except Interrupted:
            raise
        except Exception as error:  # as above
            return self._failed(error, inputs)

    @property
    def _wants(self) -> Wants:
        assert self.node.wants is not None
        return self.node.wants

    def _missing(self, inputs: Mapping[str, Any], names: Iterable[str] | None) -> dict[str, Link]:
        """What is missing of the inputs of one call. A constant is there, and so is what was computed."""
        step = self.step
        links: dict[str, Link] = {}
        for name in names or ():
            if name not in inputs:
                raise NodeInputError(f"it asks for its input {name!r}, which it was not given")
            if name in step.lazy and not is_there(self.outputs, step.inputs[name]):
                links[name] = step.inputs[name]
        return links

    def _failed(self, error: Exception, inputs: Mapping[str, Any]) -> NodeError:
        self.context.surface()
        failed = failure(self.step, error, inputs, hidden=self.node.injected)
        failed.__cause__ = error
        return failed
