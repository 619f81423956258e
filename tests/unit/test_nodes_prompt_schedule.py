"""What prompt schedules are lowered to, as graphs; tests/parity/test_prompt_schedule.py samples them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from weft.engine.errors import Issue
from weft.engine.planning.lowering import Lowered, checked
from weft.engine.schema.authoring import node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Socket, String
from weft.engine.workflow.prompt import Prompt

REGISTRY = Registry.discover()
Json = dict[str, Any]


@node(category="test")
def Phrase(*, value: Annotated[str, String(multiline=True)]) -> Annotated[str, Socket("STRING")]:
    return value


@node(category="test")
def Switch(*, one: Annotated[Any, Socket("*")], two: Annotated[Any, Socket("*")]) -> Annotated[Any, Socket("*")]:
    return one


REGISTRY.add([Phrase, Switch])


def made(class_type: str, title: str = "", **inputs: Any) -> Json:
    return {"inputs": inputs, "class_type": class_type, **({"_meta": {"title": title}} if title else {})}


CHECKPOINT = made("CheckpointLoaderSimple", ckpt_name="c.safetensors")
LATENT = made("EmptyLatentImage", width=64, height=64, batch_size=1)
SAMPLED = {"noise_seed": 7, "steps": 20, "cfg": 5.0, "sampler_name": "euler", "scheduler": "normal"}
WHOLE = {"add_noise": "enable", "start_at_step": 0, "end_at_step": 10_000, "return_with_leftover_noise": "disable"}


def scheduled(positive: Any, negative: Any = "bad", **more: Any) -> Json:
    inputs = {"model": ["1", 0], "clip": ["1", 1], "latent_image": ["4", 0], **SAMPLED, **WHOLE}
    inputs |= {"positive": positive, "negative": negative, **more}
    return {"1": CHECKPOINT, "4": LATENT, "5": made("KSamplerPromptSchedule", **inputs)}


def ordinary(positive: str, negative: str = "bad", class_type: str = "KSampler", **more: Any) -> Json:
    inputs = {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], **SAMPLED}
    if class_type == "KSampler":
        inputs |= {"seed": inputs.pop("noise_seed"), "denoise": 1.0}
    else:
        inputs |= WHOLE
    return {
        "1": CHECKPOINT,
        "2": made("CLIPTextEncode", "first", text=positive, clip=["1", 1]),
        "3": made("CLIPTextEncode", text=negative, clip=["1", 1]),
        "4": LATENT,
        "5": made(class_type, **{**inputs, **more}),
    }


def lowered(prompt: Json, *targets: str, **options: Any) -> Lowered:
    found, issues = checked(Prompt.parse(prompt), REGISTRY, targets=targets or ["5"], **options)
    assert not issues, "\n".join(map(str, issues))
    return found


def cut(prompt: Json, *targets: str) -> dict[str, Json]:
    """The nodes of a prompt that is run with prompt schedules."""
    return lowered(prompt, *targets, passes=["prompt_schedule"]).prompt.to_json()


def issue_of(prompt: Json, **options: Any) -> Issue:
    (issue,) = checked(Prompt.parse(prompt), REGISTRY, targets=["5"], **options)[1]
    return issue


def ranges(nodes: dict[str, Json]) -> list[tuple[int, int]]:
    samplers = (one["inputs"] for one in nodes.values() if one["class_type"] == "KSamplerAdvanced")
    return [(inputs["start_at_step"], inputs["end_at_step"]) for inputs in samplers]


# --- the node


def test_two_prompts() -> None:
    found = lowered(scheduled("red [apple:rabbit:8]"))
    assert found.settings == {"sampling": "continuous"}
    common = {"model": ["1", 0], **SAMPLED}
    title = "KSampler Prompt Schedule: "
    assert found.prompt.to_json() == {
        "1": CHECKPOINT,
        "4": LATENT,
        "5.stage1.positive": made("CLIPTextEncode", f'{title}positive "red apple"', text="red apple", clip=["1", 1]),
        "5.stage1.negative": made("CLIPTextEncode", f'{title}negative "bad"', text="bad", clip=["1", 1]),
        "5.stage1": made(
            "KSamplerAdvanced", f'{title}steps 0-8 "red apple"', **common, add_noise="enable",
            positive=["5.stage1.positive", 0], negative=["5.stage1.negative", 0], latent_image=["4", 0],
            start_at_step=0, end_at_step=8, return_with_leftover_noise="enable",
        ),
        "5.stage2.positive": made("CLIPTextEncode", f'{title}positive "red rabbit"', text="red rabbit", clip=["1", 1]),
        "5.stage2": made(
            "KSamplerAdvanced", f'{title}steps 8-20 "red rabbit"', **common, add_noise="disable",
            positive=["5.stage2.positive", 0], negative=["5.stage1.negative", 0], latent_image=["5.stage1", 0],
            start_at_step=8, end_at_step=10_000, return_with_leftover_noise="disable",
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("positive", "negative", "more", "expected"),
    [
        ("a", "b", {}, [(0, 10_000)]),
        ("[a:b:8]", "[c:d:0.4]", {}, [(0, 8), (8, 10_000)]),
        ("[a:b:8]", "[c:d:0.5]", {}, [(0, 8), (8, 10), (10, 10_000)]),
        ("[a:a:8]", "b", {}, [(0, 10_000)]),
        ("[a|b]", "c", {"steps": 3}, [(0, 1), (1, 2), (2, 10_000)]),
        ("[a:b:8]", "c", {"loras": "x: 0"}, [(0, 8), (8, 10_000)]),
        ("[a:b:8]", "c", {"loras": "x: 0.8 from 0.4"}, [(0, 8), (8, 10_000)]),
        ("[a:b:8]", "c", {"loras": "x: 0.8, 1 from 12\ny: 1, 1 from 3"}, [(0, 8), (8, 12), (12, 10_000)]),
        # Steps are those of the whole schedule, also where only a part of it is run.
        ("[a:b:8]", "c", {"start_at_step": 4, "end_at_step": 12}, [(4, 8), (8, 12)]),
        ("[a:b:0.5]", "c", {"start_at_step": 10}, [(10, 10_000)]),
        ("[a:b:0.5]", "c", {"end_at_step": 10}, [(0, 10)]),
        # A run without steps is left as it is.
        ("[a:b:0.5]", "c", {"start_at_step": 15, "end_at_step": 12}, [(15, 12)]),
        ("[a:b:0.5]", "c", {"start_at_step": 25}, [(25, 10_000)]),
    ],
)
def test_the_fewest_stages(positive: str, negative: str, more: Json, expected: list[tuple[int, int]]) -> None:
    nodes = lowered(scheduled(positive, negative, **more)).prompt.to_json()
    assert ranges(nodes) == expected


def test_noise_is_added_once_and_left_over_but_for_the_end() -> None:
    more = {"add_noise": "disable", "return_with_leftover_noise": "enable", "end_at_step": 15, "noise_seed": 2**64 - 1}
    nodes = lowered(scheduled("[a:b:4] [c:d:8]", **more)).prompt.to_json()
    found = [nodes[f"5.stage{number}"]["inputs"] for number in (1, 2, 3)]
    assert [inputs["add_noise"] for inputs in found] == ["disable"] * 3
    assert [inputs["return_with_leftover_noise"] for inputs in found] == ["enable"] * 3
    assert {inputs["noise_seed"] for inputs in found} == {2**64 - 1}
    assert [inputs["latent_image"][0] for inputs in found] == ["4", "5.stage1", "5.stage2"]


def test_loras() -> None:
    table = "a.safetensors: 0.5 from 4\nb.safetensors: 1/0.25, 0 from 12"
    nodes = lowered(scheduled("[x:y:8]", loras=table)).prompt.to_json()
    loras = {key: one for key, one in nodes.items() if one["class_type"] == "LoraLoader"}
    title = "KSampler Prompt Schedule: "
    assert loras == {
        "5.stage1.lora2": made(
            "LoraLoader", f"{title}b.safetensors 1/0.25", model=["1", 0], clip=["1", 1], lora_name="b.safetensors",
            strength_model=1.0, strength_clip=0.25,
        ),
        "5.stage2.lora1": made(
            "LoraLoader", f"{title}a.safetensors 0.5", model=["1", 0], clip=["1", 1], lora_name="a.safetensors",
            strength_model=0.5, strength_clip=0.5,
        ),
        "5.stage2.lora2": made(
            "LoraLoader", f"{title}b.safetensors 1/0.25", model=["5.stage2.lora1", 0], clip=["5.stage2.lora1", 1],
            lora_name="b.safetensors", strength_model=1.0, strength_clip=0.25,
        ),
    }  # fmt: skip
    assert [nodes[f"5.stage{n}"]["inputs"]["model"][0] for n in (1, 2, 3, 4)] == [
        "5.stage1.lora2", "5.stage2.lora2", "5.stage2.lora2", "5.stage2.lora1",
    ]  # fmt: skip
    texts = {key: one["inputs"] for key, one in nodes.items() if one["class_type"] == "CLIPTextEncode"}
    assert texts["5.stage3.positive"] == {"text": "y", "clip": ["5.stage2.lora2", 1]}
    assert texts["5.stage4.negative"] == {"text": "bad", "clip": ["5.stage2.lora1", 1]}
    assert len(texts) == 7, "stage 3 has the negative of stage 2"


def test_equal_prompts_are_encoded_once() -> None:
    nodes = lowered(scheduled("[a|b]", "[b|a]", steps=4)).prompt.to_json()
    assert sum(one["class_type"] == "CLIPTextEncode" for one in nodes.values()) == 2


def test_links_go_on_to_every_stage() -> None:
    prompt = {**scheduled("[a:b:8]", cfg=["8", 0], noise_seed=["9", 0]), "8": made("Switch", one=1, two=2)}
    prompt["9"] = made("Switch", one=1, two=2)
    nodes = lowered(prompt).prompt.to_json()
    assert [nodes[f"5.stage{n}"]["inputs"]["cfg"] for n in (1, 2)] == [["8", 0], ["8", 0]]
    assert [nodes[f"5.stage{n}"]["inputs"]["noise_seed"] for n in (1, 2)] == [["9", 0], ["9", 0]]


@pytest.mark.parametrize("name", ["steps", "start_at_step", "end_at_step", "positive", "negative", "loras"])
def test_what_decides_the_stages_must_be_typed(name: str) -> None:
    prompt = {**scheduled("a", loras="x: 1"), "8": made("Switch", one=1, two=2)}
    prompt["5"]["inputs"][name] = ["8", 0]
    issue = issue_of(prompt)
    assert (issue.node_id, issue.input) == ("5", name)
    assert issue.message == (
        "must be typed here, and is linked to node 8: a schedule is cut in stages before anything runs"
    )


@pytest.mark.parametrize(
    ("inputs", "name", "message"),
    [
        ({"positive": "red [a:b:8"}, "positive", "character 5, '[a:b:8': '[' is never closed"),
        ({"negative": "a]"}, "negative", "character 2, ']': ']' closes nothing"),
        ({"loras": "x: 1\ny"}, "loras", "line 2: expected NAME: STRENGTH"),
        ({"loras": "x: 1, 0.5 from 12, 0 from 0.5"}, "loras", "line 1: 'from 0.5' is step 10"),
        ({"loras": "x: 200/1"}, "loras", "Value 200.0 bigger than max of 100"),
        ({"steps": 0}, "steps", "Value 0 smaller than min of 1"),
        ({"sampler_name": "eular"}, "sampler_name", "Value not in list"),
    ],
)
def test_bad_input_is_said_of_the_node(inputs: Json, name: str, message: str) -> None:
    issue = issue_of(scheduled(inputs.pop("positive", "a"), inputs.pop("negative", "b"), **inputs))
    assert (issue.node_id, issue.class_type, issue.input) == ("5", "KSamplerPromptSchedule", name)
    assert message in issue.message
    assert issue.pointer == f"/5/inputs/{name}"


def test_a_lora_that_is_not_there(folders: Any) -> None:
    (folders.models[0] / "checkpoints" / "c.safetensors").touch()
    issue = issue_of(scheduled("[a:b:8]", loras="pixl.safetensors: 1, 0.5 from 12"), folders=folders)
    assert (issue.node_id, issue.input, issue.missing_file) == ("5", "loras", True)
    assert "LoRA 'pixl.safetensors' is not there" in issue.details


def test_the_node_as_an_editor_sees_it() -> None:
    info = REGISTRY["KSamplerPromptSchedule"].to_object_info()
    assert list(info["input"]["required"]) == [
        "model", "clip", "add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative",
        "latent_image", "start_at_step", "end_at_step", "return_with_leftover_noise",
    ]  # fmt: skip
    assert info["input"]["optional"]["loras"][1]["multiline"] is True
    advanced = REGISTRY["KSamplerAdvanced"].to_object_info()["input"]["required"]
    for name in ("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "end_at_step"):
        ours = {**info["input"]["required"][name][1]} if len(info["input"]["required"][name]) > 1 else {}
        theirs = {**advanced[name][1]} if len(advanced[name]) > 1 else {}
        assert ours | {"tooltip": ""} == theirs | {"tooltip": ""}
    assert (info["output"], info["display_name"], info["category"]) == (
        ["LATENT"], "KSampler Prompt Schedule", "sampling",
    )  # fmt: skip


# --- ordinary samplers


def test_without_the_flag_brackets_are_letters() -> None:
    prompt = Prompt.parse(ordinary("red [apple:rabbit:8] ]"))
    assert checked(prompt, REGISTRY, targets=["5"])[0].prompt is prompt


def test_a_sampler_without_a_schedule_is_left_alone() -> None:
    prompt = Prompt.parse(ordinary(r"[a] \[b:5\]"))
    assert checked(prompt, REGISTRY, targets=["5"], passes=["prompt_schedule"])[0].prompt is prompt


def test_a_ksampler_is_cut() -> None:
    nodes = cut(ordinary("red [apple:rabbit:8]"))
    common = {**SAMPLED, "model": ["1", 0], "negative": ["3", 0]}
    own = {key: one for key, one in nodes.items() if key.startswith("5.")}
    assert own == {
        "5.stage1.2": made("CLIPTextEncode", 'first: "red apple"', text="red apple", clip=["1", 1]),
        "5.stage1": made(
            "KSamplerAdvanced", 'KSampler: steps 0-8 "red apple"', **common, add_noise="enable",
            positive=["5.stage1.2", 0], latent_image=["4", 0],
            start_at_step=0, end_at_step=8, return_with_leftover_noise="enable",
        ),
        "5.stage2.2": made("CLIPTextEncode", 'first: "red rabbit"', text="red rabbit", clip=["1", 1]),
        "5.stage2": made(
            "KSamplerAdvanced", 'KSampler: steps 8-20 "red rabbit"', **common, add_noise="disable",
            positive=["5.stage2.2", 0], latent_image=["5.stage1", 0],
            start_at_step=8, end_at_step=10_000, return_with_leftover_noise="disable",
        ),
    }  # fmt: skip
    assert nodes["2"] == ordinary("red [apple:rabbit:8]")["2"], "for whoever else takes it"


def test_a_ksampler_advanced_is_cut_within_its_steps() -> None:
    more = {"start_at_step": 4, "end_at_step": 12, "add_noise": "disable", "return_with_leftover_noise": "enable"}
    nodes = cut(ordinary("[a:b:0.5]", class_type="KSamplerAdvanced", **more))
    assert ranges(nodes) == [(4, 10), (10, 12)]
    first, last = (nodes[f"5.stage{number}"]["inputs"] for number in (1, 2))
    assert (first["add_noise"], last["return_with_leftover_noise"]) == ("disable", "enable")


@pytest.mark.parametrize(
    ("steps", "denoise", "when", "expected"),
    [
        (20, 1.0, "0.5", (20, [(0, 10), (10, 10_000)])),
        (20, 0.99995, "0.5", (20, [(0, 10), (10, 10_000)])),
        # A KSampler with denoise runs the last `steps` steps of int(steps / denoise), and the text counts those.
        (20, 0.5, "0.5", (40, [(20, 30), (30, 10_000)])),
        (20, 0.6, "8", (33, [(13, 21), (21, 10_000)])),
        (8, 0.99, "4", (8, [(0, 4), (4, 10_000)])),
    ],
)
def test_denoise(steps: int, denoise: float, when: str, expected: tuple[int, list[tuple[int, int]]]) -> None:
    nodes = cut(ordinary(f"[a:b:{when}]", steps=steps, denoise=denoise))
    assert (nodes["5.stage1"]["inputs"]["steps"], ranges(nodes)) == expected
    assert all("denoise" not in one["inputs"] for one in nodes.values())


def test_nothing_is_cut_where_nothing_is_sampled() -> None:
    assert cut(ordinary("[a:b:8]", denoise=0.0)) == ordinary("[a:b:8]", denoise=0.0)


@pytest.mark.parametrize(("scheduler", "steps", "fine"), [
    ("ddim_uniform", 20, False), ("beta", 68, True), ("beta", 69, False), ("karras", 69, True),
])  # fmt: skip
def test_schedules_whose_length_only_the_model_knows(scheduler: str, steps: int, fine: bool) -> None:
    prompt = ordinary("[a:b:8]", scheduler=scheduler, steps=steps, denoise=0.5)
    if fine:
        assert ranges(cut(prompt)) == [(steps, steps + 8), (steps + 8, 10_000)]
        return
    issue = issue_of(prompt, passes=["prompt_schedule"])
    assert (issue.node_id, issue.input) == ("5", "scheduler")
    assert f"a run of {scheduler} cannot be cut" in issue.message
    assert ranges(cut(ordinary("[a:b:8]", scheduler=scheduler, steps=steps))) == [(0, 8), (8, 10_000)]


def test_what_lies_between_is_there_once_for_each_text() -> None:
    prompt = ordinary("[a:b:8]", "[c:d:4]")
    prompt["6"] = made("CLIPTextEncode", text="always", clip=["1", 1])
    prompt["7"] = made("ConditioningCombine", conditioning_1=["2", 0], conditioning_2=["6", 0])
    prompt["8"] = made("ControlNetLoader", control_net_name="n.safetensors")
    prompt["9"] = made("LoadImage", image="i.png")
    prompt["10"] = made(
        "ControlNetApplyAdvanced", positive=["7", 0], negative=["3", 0], control_net=["8", 0], image=["9", 0],
        strength=1.0, start_percent=0.0, end_percent=1.0,
    )  # fmt: skip
    prompt["5"]["inputs"] |= {"positive": ["10", 0], "negative": ["10", 1]}
    nodes = cut(prompt)
    own = {key.removeprefix("5."): one["inputs"] for key, one in nodes.items() if key.startswith("5.")}
    assert list(own) == [
        "stage1.2", "stage1.7", "stage1.3", "stage1.10", "stage1",
        "stage2.3", "stage2.10", "stage2",
        "stage3.2", "stage3.7", "stage3.10", "stage3",
    ]  # fmt: skip
    assert own["stage2.10"]["positive"] == ["5.stage1.7", 0]
    assert own["stage2.10"]["negative"] == ["5.stage2.3", 0]
    assert own["stage2.10"]["control_net"] == ["8", 0]
    assert own["stage3.7"] == {"conditioning_1": ["5.stage3.2", 0], "conditioning_2": ["6", 0]}
    assert (own["stage3"]["positive"], own["stage3"]["negative"]) == (["5.stage3.10", 0], ["5.stage3.10", 1])


def test_texts_of_every_node_with_several_lines() -> None:
    prompt = ordinary("x")
    sizes = {"width": 64, "height": 64, "crop_w": 0, "crop_h": 0, "target_width": 64, "target_height": 64}
    prompt["2"] = made("CLIPTextEncodeSDXL", clip=["1", 1], **sizes, text_g="[a:b:8]", text_l="[a:b:12]")
    found = [one["inputs"] for key, one in cut(prompt).items() if key.endswith(".2")]
    assert [(inputs["text_g"], inputs["text_l"]) for inputs in found] == [("a", "a"), ("b", "a"), ("b", "b")]


def test_a_text_that_comes_by_a_link() -> None:
    prompt = {**ordinary("x"), "7": made("Phrase", value="[a:b:8]"), "8": made("Switch", one=["7", 0], two=["4", 0])}
    prompt["2"]["inputs"]["text"] = ["8", 0]
    nodes = cut(prompt)
    assert nodes["5.stage2.7"]["inputs"]["value"] == "b"
    assert nodes["5.stage2.8"]["inputs"]["one"] == ["5.stage2.7", 0]
    assert nodes["5.stage2.2"]["inputs"]["text"] == ["5.stage2.8", 0]


def test_a_latent_that_comes_with_the_conditioning() -> None:
    prompt = ordinary("[a:b:8]")
    prompt["6"] = made("LoadImage", image="i.png")
    prompt["7"] = made(
        "InpaintModelConditioning", positive=["2", 0], negative=["3", 0], vae=["1", 2], pixels=["6", 0],
        mask=["6", 1], noise_mask=True,
    )  # fmt: skip
    prompt["5"]["inputs"] |= {"positive": ["7", 0], "negative": ["7", 1], "latent_image": ["7", 2]}
    nodes = cut(prompt)
    assert nodes["5.stage1"]["inputs"]["latent_image"] == ["5.stage1.7", 2]
    assert nodes["5.stage2"]["inputs"]["latent_image"] == ["5.stage1", 0]


def test_each_sampler_has_its_own_texts() -> None:
    """A picture that another sampler made is no text of this one's."""
    prompt = ordinary("[a:b:8]")
    prompt["6"] = made("VAEDecode", samples=["5", 0], vae=["1", 2])
    prompt["7"] = made("ControlNetLoader", control_net_name="n.safetensors")
    prompt["8"] = made("CLIPTextEncode", text="[c|d]", clip=["1", 1])
    prompt["9"] = made("ControlNetApply", conditioning=["8", 0], control_net=["7", 0], image=["6", 0], strength=1.0)
    inputs = {**prompt["5"]["inputs"], "positive": ["9", 0], "latent_image": ["5", 0], "steps": 2, "denoise": 0.5}
    prompt["10"] = made("KSampler", **inputs)
    nodes = cut(prompt, "10")
    assert ranges(nodes) == [(0, 8), (8, 10_000), (2, 3), (3, 10_000)]
    assert nodes["10.stage1"]["inputs"]["latent_image"] == ["5.stage2", 0]
    assert nodes["10.stage2.9"]["inputs"]["image"] == ["6", 0]
    assert nodes["6"]["inputs"]["samples"] == ["5.stage2", 0]


def test_escapes_go_away_where_a_sampler_is_cut() -> None:
    nodes = cut(ordinary("[a:b:8]", r"\[bad\]"))
    assert nodes["5.stage1.3"]["inputs"]["text"] == "[bad]"
    assert nodes["5.stage2"]["inputs"]["negative"] == ["5.stage1.3", 0]


def test_bad_texts_are_said_of_their_node() -> None:
    issue = issue_of(ordinary("[a:b:8]", "worst ["), passes=["prompt_schedule"])
    assert (issue.node_id, issue.class_type, issue.input) == ("3", "CLIPTextEncode", "text")
    assert issue.message.startswith("character 7, '[': '[' is never closed")


def test_a_cut_sampler_needs_its_steps_typed() -> None:
    prompt = {**ordinary("[a:b:8]", steps=["8", 0]), "8": made("Switch", one=1, two=2)}
    issue = issue_of(prompt, passes=["prompt_schedule"])
    assert (issue.node_id, issue.input) == ("5", "steps")


# --- changes that never come


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("[a:b:0.95] [c:19]", []),
        ("[a:b:1.0]", ["the change at 1.0 never comes: the run has 20 steps"]),
        ("[a:[b:c:25]:2]|[d:1.5]", [f"the change at {at} never comes: the run has 20 steps" for at in (25, 1.5)]),
    ],
)
def test_a_change_that_never_comes_is_a_note(text: str, messages: list[str]) -> None:
    for prompt, options, place in (
        (scheduled(text), {}, ("5", "positive")),
        (ordinary(f"{text} [x:y:3]"), {"passes": ["prompt_schedule"]}, ("2", "text")),
    ):
        notes = lowered(prompt, **options).notes
        assert [note.message for note in notes] == messages
        assert all((note.node_id, note.input) == place for note in notes)


def test_a_strength_that_never_comes_is_a_note() -> None:
    (note,) = lowered(scheduled("a", loras="a.safetensors: 1, 0 from 1.0")).notes
    assert (note.input, note.message) == ("loras", "the change at 1.0 never comes: the run has 20 steps")
    assert note.hint == "with a point it is a share of the steps; step 1 is written 1"
