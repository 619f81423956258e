"""The driver of most runs: one node after the other."""

from __future__ import annotations

from weft.engine.running.work import Work


class InlineDriver:
    """Calls nodes in this thread, one after the other; from the first asynchronous one on, as an AsyncDriver does."""

    def drive(self, work: Work) -> None:
        while (call := work.take()) is not None:
            if call.asynchronous:
                from weft.engine.running.overlap import AsyncDriver

                AsyncDriver(call).drive(work)
                return
            work.settle(call, call.perform())
