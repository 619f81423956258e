"""A prompt becomes the program that builds it, and the program the prompt."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

import weft
from weft import Graph, InvalidWorkflow, Session
from weft.cli import main
from weft.engine.building.script import script_of
from weft.engine.errors import WeftError
from weft.engine.workflow.prompt import Prompt

from ..conformance.pairs import pairs, templates
from ..mutations import mutated

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted(file for file in (ROOT / "workflows").glob("*.json") if ".golden" not in file.name)


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


def built(text: str, session: Session) -> dict[str, Any]:
    """What the program builds, with the classes of the session: finding them takes longer than the program."""
    scope: dict[str, Any] = {"__name__": "program", "on": Graph.on, "session": session}
    assert text.count("g = Graph()") == 1
    exec(text.replace("g = Graph()", "g = on(session)"), scope)
    found: dict[str, Any] = scope["g"].to_prompt()
    return found


def essence(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Ids, classes, titles that were given and inputs, as they are written: 1, 1.0 and true differ."""
    return {
        node_id: (node["class_type"], {name: repr(value) for name, value in node["inputs"].items()})
        for node_id, node in prompt.items()
    }


def there_and_back(prompt: Prompt, session: Session) -> None:
    found = built(script_of(Graph.on(session, prompt), "it")[0], session)
    assert essence(found) == essence(prompt.to_json())
    titles = {node_id: node.title for node_id, node in prompt.nodes.items() if node.title}
    assert {node_id: found[node_id]["_meta"]["title"] for node_id in titles} == titles


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_workflow_of_the_tutorial(file: Path, session: Session) -> None:
    there_and_back(session.read(file), session)


def known(prompt: Any, session: Session) -> bool:
    return bool(prompt) and all(
        isinstance(node, dict) and node.get("class_type") in session.registry for node in prompt.values()
    )


def test_every_tricky_prompt(session: Session) -> None:
    prompts = [
        prompt for pair in pairs().values() if pair.name.startswith("tricky/") for prompt in pair.prompts.values()
    ]
    found = [Prompt.parse(prompt) for prompt in prompts if known(prompt, session)]
    assert len(found) > 50
    for prompt in found:
        there_and_back(prompt, session)


@pytest.mark.slow
def test_every_template(session: Session) -> None:
    count = 0
    for document in templates().values():
        try:
            prompt = session.read(document)
        except WeftError:  # classes that are not here
            continue
        if known(prompt.to_json(), session):
            there_and_back(prompt, session)
            count += 1
    assert count > 50


def node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def test_the_program_reads_well(session: Session) -> None:
    prompt = {
        "4": node("CheckpointLoaderSimple", ckpt_name='a "tiny".safetensors'),
        "7": node("CLIPTextEncode", "Positive, LoRA!", text="a cat\non a mat", clip=["4", 1]),
        "8": node("CLIPTextEncode", "class", text="", clip=["4", 1]),
        "2": node("ConditioningCombine", conditioning_1=["7", 0], conditioning_2=["8", 0]),
        "5": node("BatchImagesNode", **{"images.image0": ["9", 0], "images.image1": ["9", 0]}),
        "9": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
        "6": node("SaveImage", images=["5", 0], filename_prefix="x"),
    }
    text, issues = script_of(Graph.on(session, Prompt.parse(prompt)), "the graph of x.json")
    assert not issues
    assert text.splitlines() == [
        '"""Builds the graph of x.json; made by `weft convert --to python`."""',
        "",
        "from weft import Graph, run",
        "",
        "g = Graph()",
        'empty_image = g.EmptyImage(width=64, height=64, batch_size=1, color=0, _id="9")',
        'batch_images_node = g.BatchImagesNode(images=[empty_image, empty_image], _id="5")',
        'g.SaveImage(images=batch_images_node, filename_prefix="x", _id="6")',
        "checkpoint_loader_simple = g.CheckpointLoaderSimple(ckpt_name='a \"tiny\".safetensors')",
        "positive_lora = g.CLIPTextEncode(",
        '    text="a cat\\non a mat",',
        "    clip=checkpoint_loader_simple.clip,",
        '    _id="7",',
        '    _title="Positive, LoRA!",',
        ")",
        'class_2 = g.CLIPTextEncode(text="", clip=checkpoint_loader_simple.clip, _id="8", _title="class")',
        'g.ConditioningCombine(conditioning_1=positive_lora, conditioning_2=class_2, _id="2")',
        "",
        'if __name__ == "__main__":',
        "    for file in run(g).files:",
        "        print(file)",
    ]


def test_what_no_call_would_make_is_taken_as_it_is(session: Session) -> None:
    prompt = {
        "1": node("EmptyLatentImage", width=64, height=64),
        "2": node("KSampler", model=["3", 0], latent_image=["1", 9], steps=math.inf, cfg=None, sampler_name=True),
        "3": node("LoraLoader", model=["2", 0], **{"a b": [1]}),
        "4": node("KSampler (Efficient)", other={"__value__": [1, {"a": None}]}),
    }
    text, issues = script_of(Graph.on(session, Prompt.parse(prompt)), "it")
    assert [issue.node_id for issue in issues] == ["1", "2", "3", "4"]
    assert "# As it is: the prompt has no batch_size\n" in text
    assert 'float("inf")' in text and 'g["KSampler (Efficient)"](other=' in text and '**{"a b": [1]}' in text
    assert essence(built(text, session)) == essence(Prompt.parse(prompt).to_json())


def test_whatever_a_prompt_holds(session: Session) -> None:
    row = {"images.image0": ["1", 0], "images.image1": ["1", 0]}
    loras = {"lora_1": {"on": True, "lora": "x", "strength": 1.0}}
    whole = {
        "1": node("EmptyImage", "an image", width=64, height=64, batch_size=1, color=0),
        "2": node("BatchImagesNode", **row),
        "3": node("ResizeImageMaskNode", input=["2", 0], resize_type="scale by multiplier"),
        "4": node("Power Lora Loader (rgthree)", **loras),
        "5": node("SaveImage", images=["3", 0], filename_prefix="x"),
    }
    count = 0
    for seed in range(150):
        try:
            prompt = Prompt.parse(mutated(whole, Random(seed)))
            text = script_of(Graph.on(session, prompt), "it")[0]
        except (WeftError, RecursionError):  # no prompt, or one of unknown classes
            continue
        assert essence(built(text, session)) == essence(prompt.to_json()), seed
        count += 1
    assert count > 50


def test_an_input_that_no_call_can_give(session: Session) -> None:
    with pytest.raises(InvalidWorkflow, match="_title is said of the node itself"):
        script_of(Graph.on(session, Prompt.parse({"1": node("EmptyImage", _title=3)})), "it")


def test_an_unknown_class_cannot_be_called(session: Session) -> None:
    with pytest.raises(InvalidWorkflow, match="KSampller"):
        script_of(Graph.on(session, Prompt.parse({"1": node("KSampller")})), "it")


PACK = """
from typing import Annotated
import weft
from weft.engine.schema.sockets import Int, Socket


@weft.node(category="test", class_type="Show It", output_node=True)
def show(*, number: Annotated[int, Int()]) -> None:
    print("shown:", number)


NODES = [show]
"""


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PACK)
    (tmp_path / "x.json").write_text(json.dumps({"5": node("Show It", number="7")}))
    assert main(["convert", "x.json", "--to", "python", "--nodes", "mine.py", "-o", "x.py"]) == 0
    text = (tmp_path / "x.py").read_text()
    assert 'g = Graph(nodes=["mine.py"])' in text and '"""Builds the graph of x.json; ' in text
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(text, scope)
    assert "shown: 7" in capsys.readouterr().out
    assert weft.validate(scope["g"], nodes=["mine.py"]) == [], "the file that it knows already is no other's"
    assert main(["convert", "x.json", "--to", "pyhton"]) == 2
    assert "did you mean 'python'?" in capsys.readouterr().err
    assert main(["convert", "x.json", "--to", "python"]) == 3
