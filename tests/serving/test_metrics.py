"""Numbers for Prometheus."""

from __future__ import annotations

from .talk import Client, graph


def test_the_numbers_are_prometheus_text(alone: Client) -> None:
    alone.run(graph(i=("StubInt", {"value": 77}), out=("TestLooks", {"value": "@i"})))
    answer = alone.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, value in lines}
    assert found['weft_history_prompts{status="success"}'] >= 1
    assert (found["weft_queue_waiting"], found["weft_queue_running"], found["weft_sockets"]) == (0, 0, 1)
    assert found["weft_process_resident_memory_bytes"] > 1 << 20
    assert found["weft_cache_entries"] == 2
    assert 0 < found["weft_cache_bytes"] < 1 << 20
