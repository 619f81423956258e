"""What ComfyUI's own execution tests ask of a server, row by row: once with the classic cache, once with the other."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from PIL import Image

from .talk import Client, Ran, graph, image

SLOWEST = 0.75
"""Of their time, nodes that wait together take less than so much of the sum."""


def pixels(client: Client, ran: Ran, node: str) -> list[int]:
    """The value of the first pixel of each picture that a node shows."""
    found = []
    for shown in ran.entry["outputs"][node]["images"]:
        query = f"filename={shown['filename']}&subfolder={shown['subfolder']}&type={shown['type']}"
        answer = client.ask("GET", f"/view?{query}")
        assert answer.status == 200
        found.append(Image.open(io.BytesIO(answer.body)).convert("RGB").getpixel((0, 0))[0])
    return found


def saved(prefix: str, **nodes: Any) -> dict[str, Any]:
    """A graph whose node `last` is saved."""
    return graph(**nodes, out=("SaveImage", {"images": "@last", "filename_prefix": prefix}))


def test_a_lazy_input_that_is_not_needed_never_runs(client: Client) -> None:
    size = {"width": 9, "height": 11}
    nodes = {"one": image("WHITE", **size), "two": image("BLACK", **size)}
    ran = client.run(
        saved("lazy", **nodes, last=("TestLazyMixImages", {"image1": "@one", "image2": "@two", "share": 1.0}))
    )
    assert "one" not in ran.executed
    assert ran.executed == ["last", "two", "out"]
    assert pixels(client, ran, "out") == [0]


def test_a_node_that_asks_later_gets_what_it_asks_for(client: Client) -> None:
    nodes = {"one": image("WHITE", width=9), "two": image("BLACK", width=9)}
    ran = client.run(
        saved("later", **nodes, last=("TestLazyMixLater", {"image1": "@one", "image2": "@two", "share": 0.5}))
    )
    assert pixels(client, ran, "out") in ([127], [128])


def test_a_second_run_is_cached_as_a_whole(client: Client) -> None:
    prompt = saved("full", one=image("BLACK", height=13), last=("TestVariadicAverage", {"input1": "@one"}))
    first, second = client.run(prompt), client.run(prompt)
    assert set(first.executed) >= {"last", "out"}
    assert second.executed == []
    assert second.cached == list(prompt)
    assert [each["node"] for each in second.said("executed")] == ["out"]
    assert second.entry["outputs"] == first.entry["outputs"]
    assert second.said("progress_state")


def test_what_has_changed_runs_again_and_no_more(client: Client) -> None:
    nodes = {"one": image("WHITE", height=14), "two": image("BLACK", height=14)}
    prompt = saved("part", **nodes, last=("TestLazyMixImages", {"image1": "@one", "image2": "@two", "share": 0.5}))
    client.run(prompt)
    prompt["last"]["inputs"]["share"] = 0.4
    ran = client.run(prompt)
    assert set(ran.cached) == {"one", "two"}
    assert ran.executed == ["last", "out"]


def test_the_same_graph_under_other_ids_is_cached(client: Client) -> None:
    client.run(saved("ids", one=image(height=15), last=("TestVariadicAverage", {"input1": "@one"})))
    prompt = graph(
        eins=image(height=15), zwei=("TestVariadicAverage", {"input1": "@eins"}),
        out=("SaveImage", {"images": "@zwei", "filename_prefix": "ids"}),
    )  # fmt: skip
    assert client.run(prompt).executed == []


def test_an_error_names_its_node_and_what_was_done_before_is_kept(client: Client) -> None:
    prompt = saved("error", one=image(height=16), last=("TestFails", {"value": "@one"}))
    ran = client.run(prompt)
    assert (ran.error["node_id"], ran.error["node_type"]) == ("last", "TestFails")
    assert ran.error["exception_type"] == "RuntimeError"
    assert ran.error["exception_message"] == "not today\n"
    assert any("not today" in line for line in ran.error["traceback"])
    assert ran.entry["status"]["status_str"] == "error"
    assert "execution_success" not in ran.kinds
    prompt["last"] = graph(last=("TestVariadicAverage", {"input1": "@one"}))["last"]
    again = client.run(prompt)
    assert "one" in again.cached
    assert again.executed == ["last", "out"]


def test_a_node_that_ends_the_process_ends_its_prompt(client: Client) -> None:
    ran = client.run(saved("leave", one=image(), last=("TestFails", {"value": "@one", "leave": True})))
    assert ran.error["exception_type"] == "SystemExit"
    assert client.run(saved("leave", last=image())).entry["status"]["status_str"] == "success"


def test_an_output_that_can_run_does(client: Client) -> None:
    prompt = graph(
        one=image(height=17),
        lost=("PreviewImage", {"images": ["nowhere", 0]}),
        kept=("PreviewImage", {"images": "@one"}),
    )
    ran = client.run(prompt)
    assert set(ran.answer["node_errors"]) == {"lost"}
    assert set(ran.entry["outputs"]) == {"kept"}
    del prompt["kept"]
    assert client.post(prompt).status == 400


def test_targets_are_run_and_no_other(client: Client) -> None:
    prompt = graph(
        one=image(height=18), two=image(height=19),
        left=("PreviewImage", {"images": "@one"}), right=("PreviewImage", {"images": "@two"}),
    )  # fmt: skip
    ran = client.run(prompt, partial_execution_targets=["right"])
    assert set(ran.executed) == {"two", "right"}
    assert client.post(prompt, partial_execution_targets=[]).status == 400
    assert client.post(prompt, partial_execution_targets=["one"]).status == 400
    whole = client.run(prompt)
    assert "right" in whole.cached
    assert set(whole.entry["outputs"]) == {"left", "right"}


@pytest.mark.parametrize(
    ("kind", "given", "valid"),
    [
        ("TestCustomValidation1", {"input1": "@float", "input2": 3.0}, True),
        ("TestCustomValidation1", {"input1": "x", "input2": 3.0}, False),
        ("TestCustomValidation2", {"input1": "@int", "input2": 3.0}, False),
        ("TestCustomValidation2", {"input1": "@image", "input2": 3.0}, True),
        ("TestCustomValidation3", {"input1": "@float", "input2": 3.0}, False),
        ("TestCustomValidation3", {"input1": "@image", "input2": 3.0}, True),
        ("TestCustomValidation4", {"input1": 2.0, "input2": 3.0}, False),
        ("TestCustomValidation4", {"input1": "@float", "input2": 3.0}, True),
        ("TestCustomValidation4", {"input1": "@int", "input2": 3.0}, False),
        ("TestCustomValidation5", {"input1": 7.0, "input2": 3.0}, False),
        ("TestCustomValidation5", {"input1": 50.0, "input2": -3.0}, True),
        ("TestCustomValidationLater", {"input1": 1.0, "input2": 3.0}, True),
        ("TestCustomValidationLater", {"input1": 5.0, "input2": 3.0}, False),
    ],
)  # fmt: skip
def test_a_class_checks_its_inputs(client: Client, kind: str, given: dict[str, Any], valid: bool) -> None:
    sources = {"float": ("StubFloat", {"value": 1.0}), "int": ("StubInt", {"value": 1}), "image": image()}
    used = {name: node for name, node in sources.items() if f"@{name}" in given.values()}
    answer = client.post(saved("checked", **used, last=(kind, given)))
    assert answer.status == (200 if valid else 400)
    if valid:
        client.frames(answer.json["prompt_id"])


def test_nodes_that_wait_for_each_other_are_refused(client: Client) -> None:
    prompt = saved(
        "cycle", a=("TestVariadicAverage", {"input1": "@last"}), last=("TestVariadicAverage", {"input1": "@a"})
    )
    assert client.post(prompt).status == 400


def test_nodes_that_wait_for_each_other_inside_are_the_expanding_ones_error(client: Client) -> None:
    given = {"input1": "@one", "input2": "@one"}
    ran = client.run(saved("cycle", one=image(), last=("TestDynamicDependencyCycle", given)))
    assert ran.error["node_id"] == "last"
    assert ran.error["exception_type"] == "graph.DependencyCycleError"


def test_what_says_that_it_has_changed_runs_each_time(client: Client) -> None:
    prompt = saved(
        "changed", one=image(height=20), last=("TestCustomIsChanged", {"image": "@one", "should_change": True})
    )
    client.run(prompt)
    ran = client.run(prompt)
    assert ran.cached == ["one"]
    assert ran.executed == ["last", "out"]
    prompt["last"]["inputs"]["should_change"] = False
    client.run(prompt)
    assert client.run(prompt).executed == []


def test_undeclared_links_are_given_and_undeclared_values_are_not(client: Client) -> None:
    given = {"input1": "@one", "input2": "@two", "input3": 5}
    ran = client.run(saved("undeclared", one=image("WHITE"), two=image("BLACK"), last=("TestVariadicAverage", given)))
    assert pixels(client, ran, "out") in ([127], [128])


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_loop_is_an_expansion_into_itself(client: Client, rounds: int) -> None:
    prompt = saved(
        "loop", start=image("BLACK"), step=image("WHITE"),
        begin=("TestForLoopOpen", {"remaining": rounds, "initial_value1": "@start"}),
        mean=("TestVariadicAverage", {"input1": "@step", "input2": ["begin", 2]}),
        last=("TestForLoopClose", {"flow_control": "@begin", "initial_value1": "@mean"}),
    )  # fmt: skip
    ran = client.run(prompt)
    assert pixels(client, ran, "out")[0] == pytest.approx(255 * (1 - 0.5**rounds), abs=1.5)
    assert {each["display_node"] for each in ran.said("executing") if each["node"]} <= {*prompt}


def test_calls_of_a_list_that_expand_and_those_that_do_not_stay_in_order(client: Client) -> None:
    ran = client.run(
        graph(
            many=("TestMakeListNode", {"value1": 0.1, "value2": 0.25, "value3": 0.9}),
            mixed=("TestMixedExpansionReturns", {"input1": "@many"}), out=("PreviewImage", {"images": "@mixed"}),
        )
    )  # fmt: skip
    found = pixels(client, ran, "out")
    assert found[0] == 0
    assert found[1:] in ([63, 127], [64, 127], [64, 128], [63, 128])


def test_a_blocked_list_is_one_blocked_value(client: Client) -> None:
    prompt = graph(
        one=image(), both=("TestBlockedList", {"image": "@one"}),
        lost=("PreviewImage", {"images": ["both", 0]}), kept=("PreviewImage", {"images": ["both", 1]}),
    )  # fmt: skip
    ran = client.run(prompt)
    assert ran.kinds[-2:] == ["execution_success", "executing"]
    assert set(ran.entry["outputs"]) == {"kept"}


def test_a_blocked_output_with_a_message_is_told_and_the_run_goes_on(client: Client) -> None:
    prompt = graph(
        one=image(height=21), shut=("TestExecutionBlocker", {"input": "@one", "block": True, "verbose": True}),
        lost=("PreviewImage", {"images": "@shut"}), kept=("PreviewImage", {"images": "@one"}),
    )  # fmt: skip
    ran = client.run(prompt)
    assert (ran.error["node_id"], ran.error["exception_type"]) == ("lost", "ExecutionBlocked")
    assert ran.error["exception_message"] == "Execution Blocked: Blocked Execution"
    assert "execution_success" in ran.kinds
    assert set(ran.entry["outputs"]) == {"kept"}
    assert [kind for kind, _ in ran.entry["status"]["messages"]][-1] == "execution_success"


def test_nodes_that_wait_wait_together(client: Client) -> None:
    nodes = {
        name: ("TestSleep", {"value": "@one", "seconds": seconds})
        for name, seconds in (("a", 0.11), ("b", 0.12), ("c", 0.13))
    }
    averaged = ("TestVariadicAverage", {"input1": "@a", "input2": "@b", "input3": "@c"})
    start = time.perf_counter()
    ran = client.run(saved("sleep", one=image(height=22), **nodes, last=averaged))
    assert {"a", "b", "c"} <= set(ran.executed)
    begun = [each for each in ran.said("executing") if each["node"] in nodes]
    ends = [n for n, frame in enumerate(ran.frames) if _finished(frame, "a")]
    starts = [ran.frames.index({"type": "executing", "data": each}) for each in begun]
    assert max(starts) < min(ends), "all begin before the first one has ended"
    assert time.perf_counter() - start < PATIENT


PATIENT = 20.0


def _finished(frame: Any, node: str) -> bool:
    nodes = frame["data"]["nodes"] if frame["type"] == "progress_state" else {}
    return nodes.get(node, {}).get("state") == "finished"


def test_nothing_is_remembered_for_gradients_of_nodes_that_wait(client: Client) -> None:
    nodes = {name: ("TestLearns", {"value": name, "seconds": seconds}) for name, seconds in (("a", 0.03), ("b", 0.01))}
    shown = client.run(graph(**nodes)).entry["outputs"]
    assert shown == {name: {"learns": [False, False]} for name in nodes}


def test_nodes_inside_an_expansion_wait_together(client: Client) -> None:
    given = {"image1": "@one", "image2": "@one", "image3": "@one", "sleep1": 0.05, "sleep2": 0.06, "sleep3": 0.07}
    ran = client.run(saved("parallel", one=image(height=23), last=("TestParallelSleep", given)))
    inside = [each for each in ran.executed if each.startswith("last.")]
    assert len(inside) == 4
    starts = [
        n for n, frame in enumerate(ran.frames) if frame["type"] == "executing" and frame["data"]["node"] in inside
    ]
    ends = [n for n, frame in enumerate(ran.frames) if any(_finished(frame, name) for name in inside)]
    assert starts[2] < ends[0]


def test_more_may_wait_than_run_at_once_in_one_prompt_after_the_other(alone: Client) -> None:
    nodes = {name: ("TestLimited", {"value": "@one", "seconds": 0.01}) for name in "abcde"}
    averaged = ("TestVariadicAverage", {f"input{place}": f"@{name}" for place, name in enumerate(nodes, 1)})
    for height in (24, 34):
        ran = alone.run(saved("limit", one=image(height=height), **nodes, last=averaged))
        assert ran.entry["status"]["status_str"] == "success"


@pytest.mark.parametrize("later", [False, True])
def test_an_error_inside_an_expansion_is_that_of_the_node_of_the_workflow(client: Client, later: bool) -> None:
    ran = client.run(saved("inside", one=image(height=25), last=("TestFailsInside", {"image": "@one", "later": later})))
    assert (ran.error["node_id"], ran.error["node_type"]) == ("last", "TestFailsInside")
    assert ran.error["exception_type"] == "RuntimeError"


def test_an_error_while_others_wait_ends_the_prompt(client: Client) -> None:
    prompt = graph(
        one=image(height=26), slow=("TestSleep", {"value": "@one", "seconds": 5.0}),
        bad=("TestFails", {"value": "@one"}),
        a=("PreviewImage", {"images": "@slow"}), b=("PreviewImage", {"images": "@bad"}),
    )  # fmt: skip
    start = time.perf_counter()
    ran = client.run(prompt)
    assert ran.error["node_id"] == "bad"
    assert time.perf_counter() - start < 4.5
    assert client.run(saved("after", last=image())).kinds[-2] == "execution_success"


def test_an_asynchronous_error_is_its_nodes(client: Client) -> None:
    ran = client.run(saved("async", one=image(height=27), last=("TestAsyncFails", {"value": "@one"})))
    assert ran.error["node_id"] == "last"
    assert "Intentional" in ran.error["exception_message"]


def test_an_output_inside_runs_and_is_in_the_history(client: Client) -> None:
    prompt = saved("shown", one=image(height=28), last=("TestPreviews", {"image": "@one"}))
    first, again = client.run(prompt), client.run(prompt)
    [inner] = [name for name in first.entry["outputs"] if name.startswith("last.")]
    assert first.entry["outputs"]["last"] == {"said": ["it grows"]}
    assert list(first.entry["outputs"][inner]) == ["images"]
    assert first.entry["meta"][inner] == {
        "node_id": inner, "display_node": "last", "parent_node": "last", "real_node_id": "last",
    }  # fmt: skip
    assert again.executed == []
    assert again.entry["outputs"] == first.entry["outputs"]
    prompt["last"]["class_type"] = "TestPreviewsSilently"
    silent, again = client.run(prompt), client.run(prompt)
    assert "last" not in silent.entry["outputs"]
    assert again.entry["outputs"] == silent.entry["outputs"]
    part = client.run(prompt, partial_execution_targets=["out"])
    assert part.entry["outputs"] == silent.entry["outputs"], "what the cache has is shown, asked for or not"


def test_an_object_is_a_nodes_for_as_long_as_prompts_have_it(client: Client) -> None:
    def calls(value: int, name: str = "keeps") -> int:
        ran = client.run(graph(**{name: ("TestKeeps", {"value": value})}))
        return ran.entry["outputs"][name]["calls"][0]

    assert [calls(1), calls(2), calls(2), calls(3)] == [1, 2, 2, 3]
    client.run(saved("other", last=image()))
    assert calls(4) == 1


def test_what_the_engine_gives_is_what_the_client_sent(client: Client) -> None:
    info = {"workflow": {"version": 1, "of": "a client"}}
    prompt = graph(
        i=("StubInt", {"value": "7"}), looks=("TestLooks", {"value": "@i"}), other=("TestKeeps", {"value": 9})
    )
    ran = client.run(prompt, extra_data={"extra_pnginfo": info}, partial_execution_targets=["looks"])
    shown = ran.entry["outputs"]["looks"]
    assert shown["nodes"] == [sorted(prompt)], "all of the prompt, not the part that is run"
    assert shown["info"] == [info]
    assert (shown["me"], shown["real"], shown["shape"]) == (["looks"], ["looks"], [7])
    assert ran.entry["prompt"][2]["i"]["inputs"]["value"] == 7
    assert client.run(graph(looks=("TestLooks", {"value": 8}))).entry["outputs"]["looks"]["info"] == [None]
    assert ran.entry["prompt"][3] == {"client_id": client.client_id, "extra_pnginfo": info}
