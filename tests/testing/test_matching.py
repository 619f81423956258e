from __future__ import annotations

from typing import Any

import pytest

from weft.engine.comparing.matching import Counterparts
from weft.engine.testing.matching import changes
from weft.engine.testing.matching import counterparts as match
from weft.engine.testing.records import NodeRecord


def record(class_type: str, key: str, **fields: Any) -> NodeRecord:
    return NodeRecord(class_type=class_type, title=class_type, version=fields.pop("version", "1"), key=key, **fields)


def chain(seed: str = "b") -> dict[str, NodeRecord]:
    return {
        "1": record("Load", "a"),
        "2": record("Sample", seed, links={"model": ("1", 0)}),
        "3": record("Save", "c" + seed, links={"images": ("2", 0)}),
    }


def test_equal_keys_are_partners_under_any_id() -> None:
    now = {"x": chain()["1"], "y": chain()["2"], "z": chain()["3"]}
    assert match(chain(), now).pairs == {"x": "1", "y": "2", "z": "3"}


def test_twins_keep_their_ids() -> None:
    twins = {"1": record("Load", "a"), "2": record("Load", "a")}
    assert match(twins, dict(reversed(twins.items()))).pairs == {"1": "1", "2": "2"}


def test_the_same_id_of_the_same_class_is_a_partner() -> None:
    assert match(chain(), chain("other")).pairs == {"1": "1", "2": "2", "3": "3"}


def test_renumbered_and_changed_nodes_are_found_by_who_takes_from_them() -> None:
    now = {
        "11": record("Load", "changed"),
        "12": record("Sample", "changed too", links={"model": ("11", 0)}),
        "13": record("Save", "and this", links={"images": ("12", 0)}),
    }
    assert match(chain(), now).pairs == {"11": "1", "12": "2", "13": "3"}


def test_a_node_of_another_class_under_the_same_id_is_a_partner_last_of_all() -> None:
    now = {**chain(), "2": record("Paint", "p", links={"model": ("1", 0)})}
    assert match(chain(), now).pairs["2"] == "2"


def test_what_has_no_partner_is_left_out() -> None:
    now = {**chain(), "9": record("New", "n")}
    assert "9" not in match(chain(), now).pairs


def test_of_a_part_of_the_graph_the_keys_tell_which_it_is() -> None:
    """What the cache made unnecessary is not there."""
    before = {
        **chain(),
        "4": record("Decode", "d", links={"samples": ("2", 0)}),
        "5": record("Decode", "e", links={"samples": ("1", 0)}),
        "6": record("Invert", "f", links={"image": ("5", 0)}),
    }
    now = {"y": before["4"], "z": record("Invert", "new", links={"image": ("y", 0)})}
    assert match(before, now).pairs["y"] == "4"


BEFORE = record(
    "Sample", "k", inputs={"seed": 7, "name": "a.st"}, links={"model": ("1", 0)}, files={"name": "d1", "+0": "e1"}
)


@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"inputs": {"seed": 8, "name": "a.st"}}, "input", "input 'seed': 7 -> 8"),
        ({"inputs": {"seed": 7.0, "name": "a.st"}}, "input", "input 'seed': 7 -> 7.0"),
        ({"inputs": {"name": "a.st"}}, "input", "input 'seed': 7 -> not given"),
        ({"inputs": {"seed": 7, "name": "b.st"}, "files": {"name": "d2", "+0": "e1"}}, "input", "'a.st' -> 'b.st'"),
        ({"files": {"name": "d2", "+0": "e1"}}, "file", "the file 'a.st' has other content: digest d1 -> d2"),
        ({"files": {"name": "d1", "+0": "e2"}}, "file", "a file named in its text has other content"),
        ({"links": {"model": ("2", 0)}}, "link", "input 'model' comes from node 2 slot 0, it came from node 1 slot 0"),
        ({"links": {"model": ("1", 1)}}, "link", "comes from node 1 slot 1"),
        ({"links": {}, "inputs": {"seed": 7, "name": "a.st", "model": 5}}, "input", "node 1 slot 0 -> 5"),
        ({"version": "2"}, "class", "Sample has version 2, it had 1"),
        ({"volatile": "IS_CHANGED returned NaN"}, "input", "volatile: no -> IS_CHANGED returned NaN"),
    ],
)
def test_a_change_is_named(fields: dict[str, Any], kind: str, told: str) -> None:
    (found,) = changes(BEFORE, BEFORE.model_copy(update=fields), Counterparts({"1": "1", "2": "2"}))
    assert found.kind == kind
    assert told in found.text


def test_the_class_comes_first() -> None:
    found = list(changes(BEFORE, record("Other", "k", inputs={"seed": 8, "name": "a.st"}), Counterparts({"1": "1"})))
    assert found[0].text == "the node was a Sample, it is a Other"


@pytest.mark.parametrize(
    "now",
    [
        BEFORE,
        BEFORE.model_copy(update={"title": "another", "key": "above it something changed"}),
        BEFORE.model_copy(update={"inputs": {"seed": 7, "name": "renamed.st"}}),
        BEFORE.model_copy(update={"links": {"model": ("5", 0)}}),
    ],
)
def test_what_is_no_change_of_its_own(now: NodeRecord) -> None:
    assert not list(changes(BEFORE, now, Counterparts({"1": "1", "5": "1"})))
