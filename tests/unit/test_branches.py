"""What several devices would gain: which nodes go where, what goes over, and what a record says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.errors import UsageError
from weft.engine.planning.branches import BANDWIDTH, branches
from weft.engine.planning.durations import node_seconds
from weft.engine.planning.plan import Plan
from weft.engine.session import Session

Json = dict[str, Any]


def node(class_type: str, **inputs: Any) -> Json:
    return {"class_type": class_type, "inputs": inputs}


def sampled(seed: int) -> Json:
    more = {"seed": seed, "steps": 5, "cfg": 5.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    return node("KSampler", model=["1", 0], positive=["2", 0], negative=["2", 0], latent_image=["4", 0], **more)


TWO: Json = {
    "1": node("CheckpointLoaderSimple", ckpt_name="c.safetensors"),
    "2": node("CLIPTextEncode", text="red apple", clip=["1", 1]),
    "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    "5": sampled(7),
    "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
    "7": node("SaveImage", images=["6", 0], filename_prefix="x"),
    "8": sampled(8),
    "9": node("VAEDecode", samples=["8", 0], vae=["1", 2]),
    "10": node("SaveImage", images=["9", 0], filename_prefix="y"),
}
COSTS = {"1": 1.0, "5": 10.0, "8": 10.0, "6": 1.0, "9": 1.0, "2": 0.01}


@pytest.fixture
def workflow(sandbox: Path) -> Path:
    (sandbox / "models" / "checkpoints").mkdir(parents=True)
    (sandbox / "models" / "checkpoints" / "c.safetensors").write_bytes(b"x" * 1200)
    (sandbox / "w.json").write_text(json.dumps(TWO))
    return sandbox / "w.json"


def planned(workflow: Path) -> Plan:
    session = Session(models=[workflow.parent / "models"])
    return session.plan(session.read(workflow))


def test_independent_samplers_go_to_a_device_each_and_the_model_goes_over_once(workflow: Path) -> None:
    found = branches(planned(workflow), COSTS, 2)
    where = {each.node_id: each.device for each in found.placed}
    assert where["5"] == where["6"] == where["7"] != where["8"] == where["9"] == where["10"]
    # What takes next to nothing goes along.
    assert where["1"] == where["2"] == where["4"] == 1
    assert [(each.node_id, each.bytes) for each in found.transfers] == [("1", 1200)]
    assert found.alone == pytest.approx(23.01)
    assert found.longest == pytest.approx(12.01)
    assert found.together == pytest.approx(12.01, abs=1200 / BANDWIDTH + 1e-9)
    assert found.is_worth


def test_a_chain_and_a_model_that_is_dear_to_move_stay(workflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(workflow)
    chain = branches(plan, {"1": 1.0, "5": 10.0, "6": 1.0}, 2)
    assert not chain.is_worth
    assert {each.device for each in chain.placed} == {1}
    monkeypatch.setattr("weft.engine.planning.branches.BANDWIDTH", 10.0)
    slow = branches(plan, COSTS, 2)
    assert not slow.transfers
    assert slow.together == pytest.approx(slow.alone)


def test_the_command_says_it_and_reads_a_record(workflow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = workflow.with_name("run.json")
    record.write_text(json.dumps({"status": "done", "timings": COSTS}))
    command = ["plan", "w.json", "--devices", "2", "--no-cache"]
    assert main([*command, "--durations", "run.json"]) == 0
    out = capsys.readouterr().out
    assert "2 devices: 12.01 s, on one 23.01, 1.92 times as fast; the longest path alone takes 12.01" in out
    assert "goes over to device 2: 1 Load Checkpoint" in out
    assert main([*command, "--json"]) == 0
    devices = json.loads(capsys.readouterr().out)["devices"]
    assert (devices["unit"], devices["alone"], devices["together"], devices["is_worth"]) == ("calls", 10.0, 5.0, True)
    assert main(["plan", "w.json", "--durations", "run.json"]) == 2
    assert "--durations is for --devices" in capsys.readouterr().err


def test_records_are_documents_of_runs_or_events(tmp_path: Path) -> None:
    def seconds(text: str) -> dict[str, float]:
        file = tmp_path / "record"
        file.write_text(text)
        return node_seconds(file)

    assert seconds('{"timings": {"1": 2.5, "2": 1}}') == {"1": 2.5, "2": 1.0}
    assert seconds('{"runs": [{"timings": {"1": 2.5}}, {"timings": {"1": 3}}, {"status": "skipped"}]}') == {"1": 3.0}
    event = {"event": "NodeFinished", "node_id": "5", "seconds": 0.25}
    assert seconds(json.dumps(event) + "\n" + json.dumps({"event": "RunFinished", "seconds": 9})) == {"5": 0.25}
    for text in ("", "[]", "no json", '{"timings": {}}', '{"timings": {"1": "x"}}'):
        with pytest.raises(UsageError, match="does not say how long nodes took"):
            seconds(text)
    with pytest.raises(UsageError, match="cannot read"):
        node_seconds(tmp_path / "absent")
