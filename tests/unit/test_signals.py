"""Signals that wait: what a block writes is said before the command stops."""

from __future__ import annotations

import signal
import threading

import pytest

from weft.engine.terminal.streams import stoppable, uninterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_block_has_ended(number: int) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), stoppable() as stop, uninterrupted():
        signal.raise_signal(number)
        done.append(stop.number)
    assert done == [0]
    assert stop.number == number


def test_a_second_one_does_not_wait() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), stoppable(), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append(1)
        signal.raise_signal(signal.SIGINT)
        done.append(2)
    assert done == [1]


def test_handlers_are_as_before_and_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="of the block"), uninterrupted():
        raise ValueError("of the block")
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_take_no_signals() -> None:
    found: list[bool] = []

    def work() -> None:
        with uninterrupted():
            found.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]
