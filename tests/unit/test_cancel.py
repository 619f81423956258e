from __future__ import annotations

import signal
import threading

import pytest

from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted
from weft.engine.terminal.streams import stoppable


def test_the_first_reason_stands() -> None:
    token = CancelToken()
    token.check()
    assert token.reason is None
    token.cancel("enough")
    token.cancel("late")
    assert token.reason == "enough"
    with pytest.raises(Interrupted, match="^enough$"):
        token.check()


def test_a_token_with_a_parent_is_cancelled_by_either_and_cancels_nobody_else() -> None:
    parent = CancelToken()
    one, two = CancelToken(parent), CancelToken(parent)
    one.cancel("too long")
    assert (parent.reason, one.reason, two.reason) == (None, "too long", None)
    parent.cancel()
    assert (one.reason, two.reason) == ("too long", "interrupted")


def test_another_thread_cancels() -> None:
    token = CancelToken()
    thread = threading.Thread(target=token.cancel, args=("from elsewhere",))
    thread.start()
    thread.join()
    assert token.reason == "from elsewhere"


def test_a_signal_cancels_also_where_its_exception_is_swallowed() -> None:
    with stoppable() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert stop.token.reason == "interrupted"
