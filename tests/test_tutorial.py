"""The tutorial's graphs show what their notes and docs/tutorial.md say, by numbers, on the model that comes with Weft.

What a picture shows, the judge says: a classifier that has learned from drawings alone
(workflows/models/training/judge.py). What is arithmetic is compared as such. Quick is one picture that the judge sees,
and what compares stages with each other. What looks at more pictures is slow: what the graphs draw, their goldens hold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

import weft
from weft.engine.running.result import RunResult
from weft.nodes.diffusion.values.imagefile import load_image

WORKFLOWS = Path(__file__).resolve().parent.parent / "workflows"
TRAINING = WORKFLOWS / "models" / "training"
APPLE = WORKFLOWS / "input" / "apple.png"

Runner = Callable[..., RunResult]

pytestmark = pytest.mark.usefixtures("each_for_itself")


@pytest.fixture
def run(tmp_path: Path, drawn_before: weft.MemoryCache) -> Runner:
    def run_workflow(name: str, **options: Any) -> RunResult:
        places = {"input": WORKFLOWS / "input", "models": WORKFLOWS / "models", "output": tmp_path, "device": "cpu"}
        return weft.run(WORKFLOWS / f"{name}.json", **{"cache": drawn_before, **places, **options})

    return run_workflow


@pytest.fixture
def pictures(run: Runner) -> Callable[..., dict[str, Tensor]]:
    """The files that a graph writes, as [B,H,W,3] in 0..1, by the name behind the last slash of their prefix."""

    def draw(name: str, **options: Any) -> dict[str, Tensor]:
        files = [Path(file) for file in run(name, **options).files]
        return {file.stem[: -len("_00001_")]: load_image(file)[0] for file in files if file.suffix == ".png"}

    return draw


@pytest.fixture(scope="module")
def see() -> Iterator[Callable[[Tensor], Any]]:
    """The judge: pictures [B,128,128,3] -> its verdicts."""
    sys.path.insert(0, str(TRAINING))
    try:
        from judge import judge_images, load_judge

        judge = load_judge()
        yield lambda images: judge_images(judge, images)
    finally:
        sys.path.remove(str(TRAINING))


def seen(verdicts: Any) -> list[str]:
    return [f"{verdicts.colour(index)} {verdicts.thing(index)}" for index in range(len(verdicts.things))]


def samples(result: RunResult, node_id: str) -> Tensor:
    tensor: Tensor = result[node_id][0]["samples"]
    return tensor


def distance(a: Tensor, b: Tensor) -> float:
    """Root mean square difference, relative to the second."""
    return ((a - b).square().mean().sqrt() / b.square().mean().sqrt()).item()


def roughness(images: Tensor, block: int = 4) -> Tensor:
    """[B]: the part of the variance that lies inside blocks of pixels; near 0 for pixel art."""
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // block, block, width // block, block, channels)
    inside: Tensor = blocks.var(dim=(2, 4), correction=0).mean(dim=(1, 2, 3))
    return inside / images.var(dim=(1, 2), correction=0).mean(dim=1)


def likeness(images: Tensor, others: Tensor) -> Tensor:
    """[B]: the correlation of what is large, brightness in 16 x 16 fields."""
    coarse = [torch.nn.functional.adaptive_avg_pool2d(part.mean(-1), 16).flatten(1) for part in (images, others)]
    one, two = (part - part.mean(1, keepdim=True) for part in coarse)
    return torch.nn.functional.cosine_similarity(one, two)


def test_txt2img_draws_what_it_is_told(run: Runner, see: Any) -> None:
    result = run("txt2img", targets=["5", "6"])
    assert seen(see(result["6"][0])) == ["red apple"]
    again = run("txt2img", targets=["5"], cache=weft.MemoryCache())
    other = run("txt2img", targets=["5", "6"], overrides={"5.seed": 8})
    assert torch.equal(samples(again, "5"), samples(result, "5"))
    assert distance(samples(other, "5"), samples(result, "5")) > 0.1
    fish = run("txt2img", targets=["6"], overrides={"positive.text": "blue fish at night", "5.seed": 8})
    assert seen(see(fish["6"][0])) == ["blue fish"]


@pytest.mark.slow
def test_words_that_it_does_not_know_do_no_harm(run: Runner, see: Any) -> None:
    text = "a masterpiece, breathtaking (red:1.2) apple, 8k, Möwe"
    assert seen(see(run("txt2img", targets=["6"], overrides={"positive.text": text})["6"][0])) == ["red apple"]
    assert run("txt2img", overrides={"positive.text": "quixotic zeppelin"}).files


def test_without_noise_the_seed_decides_nothing(run: Runner) -> None:
    """Samplers 5 and 11 add the noise of two seeds; 8 and 14 have those seeds, and add none."""
    result = run("noise_disabled", targets=["5", "8", "11", "14"])
    assert torch.equal(samples(result, "8"), samples(result, "14"))
    assert distance(samples(result, "5"), samples(result, "11")) > 0.1
    assert distance(samples(result, "5"), samples(result, "8")) > 0.1


def test_divided_equals_undivided(run: Runner) -> None:
    """Euler remembers nothing from step to step: two stages are the same picture, but for one rounding in between."""
    result = run("divided", targets=["5", "9"])
    assert distance(samples(result, "9"), samples(result, "5")) < 1e-5


@pytest.mark.slow
def test_prompt_switch_lies_between_both_prompts(run: Runner) -> None:
    def switched(first_end: int, then_start: int) -> Tensor:
        steps = {"6.end_at_step": first_end, "7.start_at_step": then_start}
        return samples(run("prompt_switch", targets=["7"], overrides=steps), "7")

    apple, rabbit = switched(20, 20), switched(0, 0)
    mixed = samples(run("prompt_switch", targets=["7"]), "7")
    assert 0 < distance(mixed, apple) < distance(rabbit, apple)
    assert 0 < distance(mixed, rabbit) < distance(apple, rabbit)


def test_prompt_switch_at_the_end_is_the_first_prompt(run: Runner) -> None:
    steps = {"6.end_at_step": 20, "7.start_at_step": 20}
    result = run("prompt_switch", targets=["6", "7"], overrides=steps)
    assert torch.equal(samples(result, "7"), samples(result, "6"))


@pytest.mark.slow
def test_the_later_the_switch_the_more_of_an_apple(run: Runner, see: Any) -> None:
    """As the switching step moves from 0 to 20, the judge's belief moves from rabbit to apple."""
    count = 8
    (decode,) = (
        key for key, node in run("prompt_sweep", targets=[]).plan.prompt.nodes.items() if node.class_type == "VAEDecode"
    )
    images = run("prompt_sweep", targets=[decode], overrides={"4.batch_size": count})[decode][0]
    belief = see(images).belief("apple", "rabbit").reshape(21, count).mean(1)
    print("belief in the apple by the switching step:", [round(one, 2) for one in belief.tolist()])
    assert belief[0] < 0.05
    assert belief[20] > 0.95
    highest = belief.cummax(0).values
    assert (highest - belief).max() < 0.1, "monotonic but for noise"
    assert ((belief > 0.1) & (belief < 0.9)).any(), "some step mixes"


@pytest.mark.slow
def test_the_sweep_is_written_as_a_film_and_as_a_page(run: Runner) -> None:
    """Quick of it are the page, in the golden of the graph, and how films are written, in test_nodes_animation.py."""
    result = run("prompt_sweep")
    webp, png, sheet = sorted(
        (Path(file) for file in result.files), key=lambda file: (file.stem.startswith("sheet"), file.suffix != ".webp")
    )
    page = load_image(sheet)[0]
    assert page.shape == (1, 384, 896, 3)
    tiles = page.reshape(3, 128, 7, 128, 3).transpose(1, 2).reshape(21, 128, 128, 3)
    for film in (webp, png):
        with Image.open(film) as picture:
            shown = [(frame.load(), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)]
        assert {round(milliseconds) for _, milliseconds in shown} == {166}
        assert torch.equal(load_image(film)[0], tiles)


def test_the_lora_changes_the_second_stage_only(run: Runner) -> None:
    result = run("lora_switch", targets=["8", "9"])
    weak = run("lora_switch", targets=["8", "9"], overrides={"5.strength_model": 0.0, "5.strength_clip": 0.0})
    assert torch.equal(samples(result, "8"), samples(weak, "8")), "the LoRA leaked into the first stage"
    assert distance(samples(result, "9"), samples(weak, "9")) > 0.01


@pytest.mark.slow
def test_the_lora_makes_blocks_and_an_early_switch_keeps_the_shape(run: Runner) -> None:
    result = run("lora_switch", targets=["10", "13", "16"], overrides={"4.batch_size": 4})
    later, never, always = (result[node_id][0] for node_id in ("10", "13", "16"))
    rough = [roughness(part).mean().item() for part in (never, later, always)]
    print("variance inside blocks, never, from step 6, always:", [round(one, 4) for one in rough])
    assert rough[1] < 0.7 * rough[0]
    assert rough[2] < 0.7 * rough[0]
    shape = [likeness(part, never).mean().item() for part in (later, always)]
    print("likeness with the picture without it, from step 6, always:", [round(one, 3) for one in shape])
    assert shape[0] > 0.9
    assert shape[0] > shape[1]


@pytest.mark.slow
def test_img2img_keeps_more_of_the_start_with_less_denoise(run: Runner, pictures: Any, see: Any) -> None:
    def kept(denoise: float) -> float:
        result = run("img2img", targets=["5", "6"], overrides={"6.denoise": denoise})
        return distance(samples(result, "6"), samples(result, "5"))

    distances = [kept(denoise) for denoise in (0.0, 0.3, 0.5, 0.8)]
    assert distances[0] == 0
    assert distances == sorted(distances)
    drawn = pictures("img2img")
    assert seen(see(drawn["denoise_0.3"]))[0].endswith("apple")
    assert seen(see(drawn["denoise_0.8"]))[0].endswith("rabbit")


def test_inpainting_draws_where_the_mask_is_white(pictures: Any, see: Any) -> None:
    (before, _), after = load_image(APPLE), pictures("inpaint")["inpaint"]
    outside = torch.ones(128, 128, dtype=torch.bool)
    outside[:112, 16:112] = False
    assert torch.equal(after[:, outside], before[:, outside])
    assert seen(see(before)) == ["red apple"]
    assert seen(see(after)) == ["blue rabbit"]
    table = after[0, 96:100, 64:112].mean() - after[0, 86:90, 100:112].mean()
    assert table < -0.2, "the table's edge goes on behind the rabbit"


@pytest.mark.slow
def test_each_area_has_its_own_prompt(pictures: Any, see: Any) -> None:
    (image,) = pictures("areas").values()
    assert image.shape == (1, 128, 256, 3)
    assert seen(see(torch.cat(image.split(128, dim=2)))) == ["red apple", "blue rabbit"]


@pytest.mark.slow
def test_hires_fix_draws_finely_what_the_first_pass_settled(pictures: Any, see: Any) -> None:
    drawn = pictures("hires_fix")
    first, second = drawn["first_pass"], drawn["second_pass"]
    assert (first.shape, second.shape) == ((1, 96, 96, 3), (1, 128, 128, 3))
    assert seen(see(second)) == ["red rabbit"]
    other = pictures("hires_fix", overrides={"first pass.seed": 8})["second_pass"]
    assert likeness(second, first) > likeness(other, first)
    assert likeness(second, first) > 0.7


@pytest.mark.slow
def test_three_stages_each_leave_their_mark(run: Runner) -> None:
    def drawn(**changes: Any) -> Tensor:
        image: Tensor = run("three_stages", targets=["12"], overrides={**changes})["12"][0]
        return image

    image = drawn()
    assert distance(image, drawn(**{"2.text": "red rabbit"})) > 0.02, "the first stage's apple left nothing"
    assert distance(image, drawn(**{"5.text": "red apple"})) > 0.02, "the second stage's rabbit left nothing"
    without = drawn(**{"6.strength_model": 0.0, "6.strength_clip": 0.0})
    assert roughness(image) < 0.9 * roughness(without)


def test_steps_4_to_11(run: Runner) -> None:
    """The stages start with the noise of step 4, and end with that of step 11 or with none."""
    result = run("steps_4_to_11", targets=["6", "9", "12"])
    finished, unfinished, to_the_end = (samples(result, node_id) for node_id in ("6", "9", "12"))
    assert distance(finished, to_the_end) < 0.3 < distance(unfinished, to_the_end)
    # The same stage with nothing to do at its end: the noise that it started with is all there.
    started = samples(run("steps_4_to_11", targets=["9"], overrides={"9.end_at_step": 4}), "9")
    assert distance(started, to_the_end) > distance(unfinished, to_the_end)


@pytest.mark.parametrize("mode", ["comfy", "continuous"])
def test_a_divided_ancestral_sampling(mode: str, run: Runner) -> None:
    result = run("sampling_modes", targets=["5", "9"], sampling=mode)
    whole, divided = samples(result, "5"), samples(result, "9")
    if mode == "continuous":
        assert torch.equal(divided, whole)
    else:
        assert distance(divided, whole) > 0.01
