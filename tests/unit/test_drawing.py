"""A scene has every node and link of its workflow, and its drawing every one of them once."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from weft.engine.drawing.bodies import body_of, fitted
from weft.engine.drawing.colors import TYPES, color_of, is_dark
from weft.engine.drawing.marks import STATES, Mark
from weft.engine.drawing.scene import Area, DrawnNode, DrawnPicture, DrawnSlot, DrawnWidget, Form, Scene
from weft.engine.drawing.sources import scene_of
from weft.engine.drawing.stylesheet import stylesheet
from weft.engine.drawing.svg import svg
from weft.engine.drawing.typesetting import shortened, width_of, wrapped
from weft.engine.formats.sources import load
from weft.engine.schema.registry import Registry

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
REGISTRY = Registry.discover()
SVG = "{http://www.w3.org/2000/svg}"


def drawn(document: Any, **options: Any) -> tuple[Scene, ET.Element]:
    """The scene of a workflow, and its drawing as elements."""
    scene, _ = scene_of(load(document), REGISTRY)
    return scene, ET.fromstring(svg(scene, **options))


def by_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in root.iter() if name in each.get("class", "").split()]


def words(element: ET.Element) -> str:
    return "\n".join(element.itertext())


def node(number: int, class_type: str = "CLIPTextEncode", **more: Any) -> dict[str, Any]:
    return {"id": number, "type": class_type, "pos": [300 * number, 40], "size": [210, 90], **more}


def save(*nodes: dict[str, Any], links: Any = (), **more: Any) -> dict[str, Any]:
    return {"nodes": list(nodes), "links": list(links), "version": 0.4, **more}


@pytest.mark.parametrize("name", ["txt2img.json", "txt2img.api.json", "prompt_sweep.json", "prompt_sweep.api.json"])
def test_every_node_and_link_is_drawn_once(name: str) -> None:
    scene, root = drawn(WORKFLOWS / name)
    prompt = load(WORKFLOWS / name.replace(".json", ".api.json").replace(".api.api", ".api"))
    ids = Counter(each.get("data-id") for each in by_class(root, "node"))
    assert set(ids.values()) == {1}
    assert ids.keys() == scene.nodes.keys() >= prompt.nodes.keys()  # type: ignore[union-attr]
    links = [(each.get("data-from"), each.get("data-to")) for each in by_class(root, "link")]
    expected = {
        (f"{link.node_id}.{link.slot}", name_)
        for name_, each in prompt.nodes.items()  # type: ignore[union-attr]
        for _, link in each.links
    }
    assert len(links) == len(set(links)) == len(scene.links)
    assert {(source, target.rpartition(".")[0]) for source, target in links} == expected  # type: ignore[union-attr]


def test_the_same_bytes_for_the_same_workflow() -> None:
    assert len({svg(scene_of(load(WORKFLOWS / "areas.json"), REGISTRY)[0]) for _ in range(2)}) == 1


def test_nothing_is_asked_of_anywhere_and_nothing_runs() -> None:
    text = svg(scene_of(load(WORKFLOWS / "areas.json"), REGISTRY)[0])
    assert "<script" not in text and "url(" not in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_boxes_of_a_prompt_do_not_overlap() -> None:
    scene, _ = drawn(WORKFLOWS / "prompt_sweep.api.json")
    areas = [each.area for each in scene.nodes.values()]
    assert not any(one.meets(other) for place, one in enumerate(areas) for other in areas[:place])


def test_titles_values_and_types_are_there() -> None:
    _, root = drawn(WORKFLOWS / "txt2img.api.json")
    (sampler,) = [each for each in by_class(root, "node") if each.get("data-id") == "5"]
    assert {"KSampler", "#5", "model", "LATENT", "steps", "20", "karras"} <= set(words(sampler).split("\n"))
    assert {name for each in by_class(root, "link") for name in each.get("class", "").split()} == {
        "link", "t-MODEL", "t-CLIP", "t-CONDITIONING", "t-LATENT", "t-VAE", "t-IMAGE",
    }  # fmt: skip


def test_a_save_keeps_places_colours_modes_and_groups() -> None:
    document = save(
        node(1, "CheckpointLoaderSimple", widgets_values=["c"]),
        node(2, mode=4, widgets_values=["muted"], color="#223", bgcolor="#335"),
        node(3, mode=2),
        node(4, flags={"collapsed": True}, title="small"),
        node(5, "Note", widgets_values=["read me"]),
        groups=[{"title": "the group", "bounding": [10, 20, 400, 300], "color": "#a1309b", "font_size": 20}],
    )
    scene, root = drawn(document)
    assert scene.nodes["1"].area == Area(300, 10, 210, 126)  # its contents need more than the 90 that were saved
    assert [each.mode for each in scene.nodes.values()] == ["", "bypassed", "muted", "", ""]
    assert (scene.nodes["2"].color, scene.nodes["2"].paper) == ("#223", "#335")
    assert scene.nodes["4"].form is Form.COLLAPSED and scene.nodes["4"].area.height == 30
    assert scene.nodes["5"].form is Form.NOTE and "read me" in words(root)
    assert scene.groups[0][:3] == ("the group", Area(10, 20, 400, 300), "#a1309b")
    assert len(by_class(root, "bypassed")) == len(by_class(root, "muted")) == 1


def test_a_class_that_is_not_known_is_drawn_by_what_was_saved() -> None:
    slots = [{"name": "sigma", "type": "FLOAT", "widget": {"name": "sigma"}, "link": None}]
    strange = node(1, "Strange", inputs=slots, outputs=[{"name": "OUT", "type": "IMAGE"}], widgets_values=[0.25])
    scene, root = drawn(save(strange, node(2, "PreviewImage", inputs=[{"name": "images", "type": "IMAGE", "link": 7}]),
                             links=[[7, 1, 0, 2, 0, "IMAGE"]]))  # fmt: skip
    assert not scene.nodes["1"].known and scene.nodes["2"].known
    assert scene.nodes["1"].widgets == (DrawnWidget("sigma", "0.25"),)
    assert [each.get("class") for each in by_class(root, "link")] == ["link t-IMAGE"]
    assert "not known" in words(by_class(root, "unknown")[0])
    prompt = {
        "1": {"class_type": "Strange", "inputs": {"sigma": 1}},
        "2": {"class_type": "X", "inputs": {"a": ["1", 3]}},
    }
    scene, _ = drawn(prompt)
    assert len(scene.nodes["1"].outputs) == 4


def test_links_go_through_reroutes_of_both_kinds() -> None:
    document = save(
        node(1, "CheckpointLoaderSimple", outputs=[{"name": "MODEL", "type": "MODEL", "links": [1]}]),
        node(2, "Reroute", size=[75, 26], inputs=[{"name": "", "type": "*", "link": 1}],
             outputs=[{"name": "MODEL", "type": "MODEL", "links": [2]}]),
        node(3, "ModelSamplingDiscrete", inputs=[{"name": "model", "type": "MODEL", "link": 2}]),
        links=[[1, 1, 0, 2, 0, "*"], [2, 2, 0, 3, 0, "MODEL"]],
        extra={
            "reroutes": [{"id": 1, "pos": [700, 5]}, {"id": 2, "parentId": 1, "pos": [750, 9]}],
            "linkExtensions": [{"id": 2, "parentId": 2}],
        },
    )  # fmt: skip
    scene, _ = drawn(document)
    assert scene.nodes["2"].form is Form.REROUTE
    assert [(link.io_type, link.through) for link in scene.links] == [("MODEL", ()), ("MODEL", ((700, 5), (750, 9)))]


def test_a_link_that_is_not_drawn_by_hand_is_drawn_otherwise() -> None:
    document = save(
        node(1, "CheckpointLoaderSimple", outputs=[{"name": "MODEL", "type": "MODEL", "links": [1]}]),
        node(2, "Anything Everywhere", inputs=[{"name": "MODEL", "type": "MODEL", "link": 1}]),
        node(3, "ModelSamplingDiscrete", inputs=[{"name": "model", "type": "MODEL", "link": None}]),
        links=[[1, 1, 0, 2, 0, "MODEL"]],
        extra={"ue_links": [{"downstream": 3, "downstream_slot": 0, "upstream": "1", "upstream_slot": 0}]},
    )
    _, root = drawn(document)
    assert [(each.get("class"), each.get("data-to")) for each in by_class(root, "link")] == [
        ("link t-MODEL", "2.0"), ("link t-MODEL implicit", "3.0"),
    ]  # fmt: skip


def test_values_of_a_group_node_have_the_names_that_they_have_inside() -> None:
    group = {"nodes": [{"type": "EmptyLatentImage", "index": 0}, {"type": "KSampler", "index": 1}], "links": []}
    values = [64, 32, 1, 5, "fixed", 20, 8, "euler", "normal", 1]
    document = save(node(1, "workflow>two", widgets_values=values), extra={"groupNodes": {"two": group}})
    scene, _ = drawn(document)
    assert [widget[:2] for widget in scene.nodes["1"].widgets][:5] == [
        ("width", "64"), ("height", "32"), ("batch_size", "1"), ("seed", "5"), ("control_after_generate", "fixed"),
    ]  # fmt: skip


SUBGRAPH = "11111111-2222-3333-4444-555555555555"


def nested() -> dict[str, Any]:
    inner = {
        "id": SUBGRAPH,
        "name": "The inside",
        "nodes": [node(7, inputs=[{"name": "text", "type": "STRING", "widget": {"name": "text"}, "link": 1}],
                       widgets_values=["deep"])],
        "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 7, "target_slot": 0, "type": "STRING"}],
        "inputs": [{"id": "a", "name": "text", "type": "STRING", "linkIds": [1], "label": "words"}],
        "outputs": [],
    }  # fmt: skip
    return save(node(3, SUBGRAPH), node(4, SUBGRAPH), definitions={"subgraphs": [inner]})


def test_a_subgraph_is_a_box_and_its_inside_is_drawn_once() -> None:
    scene, root = drawn(nested())
    assert [each.inset for each in scene.nodes.values()] == [1, 1]
    assert scene.insets[0].title == "The inside: inside #3, #4"
    assert scene.insets[0].nodes["3:7"].ids == ("3:7", "4:7")
    assert scene.nodes["3"].widgets == (DrawnWidget("text", "deep", "words", False, True),)
    assert len(by_class(root, "inset")) == 1 and len(by_class(root, "node")) == 4


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_changed_value_can_be_read_on_paper_of_any_colour(theme: str) -> None:
    rules = dict(re.findall(r"(?m)^\.weft-graph (\S+ text\.is-changed)\{fill:(#\w+)\}$", stylesheet(theme)))
    assert rules == {".on-dark text.is-changed": "#f5b93f", ".on-light text.is-changed": "#a86b00"}


def test_marks_are_seen_with_a_legend() -> None:
    marks = {"5": Mark("changed", "cfg: 7 to 8"), ("5", "cfg"): Mark("changed", "7"), ("6", "samples"): Mark("added")}
    _, root = drawn(WORKFLOWS / "txt2img.api.json", marks=marks)
    assert {each.get("data-id") for each in by_class(root, "is-changed")} == {"5", None}
    assert [each.get("data-to") for each in by_class(root, "is-added") if each.get("data-to")] == ["6.0"]
    assert "cfg: 7 to 8" in words(root)
    (legend,) = by_class(root, "legend")
    assert list(legend.itertext()) == ["added", "changed"]


def test_a_mark_inside_a_subgraph_is_seen_at_its_box() -> None:
    _, root = drawn(nested(), marks={"4:7": Mark("failed", "no memory")})
    assert [each.get("data-id") for each in by_class(root, "is-failed") if each.get("data-id")] == ["4", "3:7"]
    assert "inside: no memory" in words(root)


def test_each_node_may_lead_somewhere() -> None:
    _, root = drawn(WORKFLOWS / "txt2img.api.json", address=lambda node_id: f"#n{node_id}")
    assert sorted(each.get("href", "") for each in root.iter(f"{SVG}a")) == [f"#n{number}" for number in range(1, 8)]


def test_whatever_a_text_holds_the_drawing_is_xml() -> None:
    bad = "a]]><b>&\x00\x0b\ud800\"'‮😀" + "漢" * 300
    document = {"1": {"class_type": bad, "inputs": {bad: bad, "n": 1e400, "deep": [["x"]]}, "_meta": {"title": bad}}}
    _, root = drawn(document)
    assert words(root).count("<b>&") > 1


@pytest.mark.parametrize(
    "pos", [None, [1], [float("nan"), 0], [1e300, 0], [10**400, 0], {"0": 5}, "here", [True, False]]
)
def test_a_save_without_places_is_laid_out(pos: Any) -> None:
    scene, _ = drawn(
        save(
            node(1),
            node(2, pos=pos),
            groups=[{"bounding": [0, 0, pos, 1]}, 5, {}, {"bounding": [0, 0, 9, 9], "font_size": 10**400}],
        )
    )
    one, other = (each.area for each in scene.nodes.values())
    assert not one.meets(other)


def test_what_grows_moves_what_is_below_and_its_group() -> None:
    upper = node(1, "KSampler", pos=[0, 0], size=[200, 20])
    document = save(upper, node(2, pos=[0, 60]), node(3, pos=[600, 60]),
                    groups=[{"title": "g", "bounding": [-10, -50, 220, 220]}])  # fmt: skip
    scene, _ = drawn(document)
    assert not scene.nodes["1"].area.meets(scene.nodes["2"].area)
    assert scene.nodes["3"].area.y == 30
    assert scene.groups[0].area.bottom > scene.nodes["2"].area.bottom


def test_pictures_stand_in_a_node_that_has_room_for_them() -> None:
    picture = DrawnPicture(64, 32, b"content")
    found = fitted(
        DrawnNode(("1",), "Save", "SaveImage", inputs=(DrawnSlot("images", "IMAGE"),), pictures=(picture,) * 3)
    )
    area = body_of(found).pictures
    assert area is not None and area.bottom <= found.area.height
    root = ET.fromstring(svg(Scene({"1": found})))
    images = list(root.iter(f"{SVG}image"))
    assert len(images) == 3 and images[0].get("href") == "data:image/webp;base64,Y29udGVudA=="


def test_texts_fit() -> None:
    text = "v1-5-pruned-emaonly-fp16.safetensors, and more"
    for room in range(10, 200, 7):
        cut = shortened(text, 12, room)
        assert cut == text or (cut.endswith("…") and width_of(cut, 12) <= max(room, width_of("…", 12)))
    lines = wrapped("one two three four five\n\nsix " + "x" * 99, 12, 60, 6)
    assert len(lines) == 6 and all(width_of(line, 12) <= 60 for line in lines) and lines[-1].endswith("…")
    assert wrapped("", 12, 60, 3) == [""] and width_of("漢", 10) == 10 and width_of("é", 10) < width_of("ée", 10)


def test_styles_name_every_type_and_state_and_no_other_element_of_a_page() -> None:
    for theme in ("dark", "light", "auto"):
        style = stylesheet(theme)
        assert all(f".t-{io_type}{{" in style for io_type in TYPES)
        assert all(f"text.is-{state}{{" in style for state in STATES)
        selectors = re.findall(r"(?:^|\})([^{}@]+)\{", style.replace("\n", "").replace("dark){", "dark){}"))
        assert all(each.startswith(".weft-graph ") for line in selectors for each in line.split(",") if each)


def test_colours_of_saves() -> None:
    said = {"#322": "#322", "#AbCdEf": "#AbCdEf", "#3229": "#322", "#aabbcc80": "#aabbcc", "black": "#000000"}
    assert {text: color_of(text) for text in said} == said
    assert not any(map(color_of, ["", None, 5, "#12", "url(x)", '"/>', "#12345g"]))
    assert is_dark("#322") and not is_dark("#ffffcc")
