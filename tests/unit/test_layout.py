"""engine/layout.py: nothing overlaps, data flows to the right, wires do not cross where they need not, groups hold."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.engine.formats.layout import Edge, Group, Key, Rectangle, Size, arrange, arrange_with_ways

BOX = Size(200, 100)


def chain(*keys: Key) -> list[Edge]:
    return [Edge(a, 40, b, 40) for a, b in pairwise(keys)]


def boxes(keys: str) -> dict[Key, Size]:
    return dict.fromkeys(keys, BOX)


def overlaps(a: Rectangle, b: Rectangle) -> bool:
    apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
    return not apart


def inside(a: Rectangle, b: Rectangle) -> bool:
    right, bottom = a.x + a.width <= b.x + b.width, a.y + a.height <= b.y + b.height
    return b.x <= a.x and b.y <= a.y and right and bottom


def crossings(places: dict[Key, Rectangle], wires: list[Edge]) -> int:
    """Pairs of straight lines between two columns that cross."""
    ends = [(places[w.source].y + w.source_y, places[w.target].y + w.target_y) for w in wires]
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(ends, 2))


def test_nothing_is_nothing() -> None:
    assert arrange({}, []) == {}


def test_a_chain_is_a_level_row_from_the_corner() -> None:
    places = arrange(boxes("abc"), chain("a", "b", "c"))
    assert places["a"] == Rectangle(0, 0, 200, 100)
    assert {place.y for place in places.values()} == {0}
    assert places["a"].x + 200 < places["b"].x
    assert places["b"].x + 200 < places["c"].x


def test_the_sockets_are_level_not_the_corners() -> None:
    places = arrange(boxes("ab"), [Edge("a", 80, "b", 40)])
    assert places["b"].y == places["a"].y + 40


def test_a_long_wire_is_led_beside_what_stands_between() -> None:
    wires = [*chain("a", "b", "c", "d"), Edge("a", 80, "d", 80), Edge("x", 40, "c", 70)]
    places, ways = arrange_with_ways(boxes("abcdx"), wires, [Group("g", ("a", "b", "c", "d"))])
    assert ways.keys() == {3}
    points = ways[3]
    assert len(points) == 4 and points[0][1] == points[1][1] and points[2][1] == points[3][1]
    for (left, y), (right, _) in (points[:2], points[2:]):
        assert inside(Rectangle(left, y, right - left, 0), places["g"])
        assert not any(overlaps(Rectangle(left, y, right - left, 1), places[key]) for key in "abcd")


def test_a_source_stands_next_to_its_first_reader() -> None:
    places = arrange(boxes("abcdxyz"), [*chain("a", "b", "c", "d"), Edge("x", 40, "d", 60), *chain("y", "z")])
    assert places["x"].x == places["c"].x


def test_crossed_wires_are_uncrossed() -> None:
    wires = [Edge("a", 40, "f", 40), Edge("b", 40, "e", 40), Edge("c", 40, "d", 40)]
    wires = [*wires, Edge("a", 60, "e", 20), Edge("b", 60, "d", 20)]
    assert crossings(arrange(boxes("abcdef"), wires), wires) == 0


def test_the_order_of_the_sockets_decides() -> None:
    """The positive prompt above the negative one, as the sampler has them, whichever was made first."""
    wires = [Edge("negative", 40, "sampler", 80), Edge("positive", 40, "sampler", 60)]
    places = arrange(dict.fromkeys(["negative", "positive", "sampler"], BOX), wires)
    assert places["positive"].y < places["negative"].y


def test_a_long_wire_gets_a_channel() -> None:
    wires = [*chain("a", "b", "c"), Edge("a", 60, "c", 60), Edge("a", 80, "d", 40), *chain("d", "e")]
    places = arrange(boxes("abcde"), [*wires, Edge("c", 40, "e", 60)])
    assert not any(overlaps(a, b) for a, b in combinations(places.values(), 2))


def test_parts_that_no_wire_joins_stand_one_above_the_other() -> None:
    places = arrange(boxes("abcd"), [*chain("a", "b"), *chain("c", "d")])
    assert places["c"].y > places["a"].y + 100
    assert places["c"].x == places["a"].x


def test_cycles_and_loops_are_drawn() -> None:
    places = arrange(boxes("abc"), [*chain("a", "b", "c", "a"), Edge("b", 40, "b", 60)])
    assert places["a"].x < places["b"].x < places["c"].x


def test_groups_hold_their_own_and_nothing_else() -> None:
    groups = [Group("G", ("b", "d"), (Group("inner", ("c",)),)), Group("H", ("e",))]
    places = arrange(boxes("abcdef"), [*chain("a", "b", "c", "d", "e", "f"), Edge("a", 60, "d", 60)], groups)
    assert all(inside(places[key], places["G"]) for key in ("b", "c", "d", "inner"))
    assert inside(places["c"], places["inner"])
    assert not any(overlaps(places[key], places["G"]) for key in ("a", "e", "f", "H"))
    assert not any(overlaps(places[key], places["inner"]) for key in "abdef")


def test_groups_that_wait_for_each_other() -> None:
    places = arrange(boxes("abc"), chain("a", "b", "c"), [Group("G", ("a", "c")), Group("H", ("b",))])
    assert not overlaps(places["G"], places["H"])


def test_the_same_input_gives_the_same_places() -> None:
    wires = [Edge(a, 40, b, 40) for a in "abc" for b in "xyz"]
    assert arrange(boxes("abcxyz"), wires) == arrange(boxes("abcxyz"), wires)


@pytest.mark.parametrize("count", [1000])
def test_a_hub_with_thousands_of_readers_down_a_chain(count: int) -> None:
    """Channels for every long wire would be millions; they are shared, and there is a budget."""
    sizes: dict[Key, Size] = dict.fromkeys(range(count), BOX)
    wires = [Edge(n, 40, n + 1, 40) for n in range(count - 1)] + [Edge(0, 60, n, 60) for n in range(2, count)]
    wires += [Edge(n, 60, count - 1, 60) for n in range(count - 1)]
    places = arrange(sizes, wires)
    assert [places[n].x for n in range(count)] == sorted(places[n].x for n in range(count))


@st.composite
def drawings(draw: st.DrawFn) -> tuple[dict[Key, Size], list[Edge], list[Group]]:
    count = draw(st.integers(1, 14))
    sizes: dict[Key, Size] = {n: Size(draw(st.integers(100, 400)), draw(st.integers(40, 500))) for n in range(count)}
    number, height = st.integers(0, count - 1), st.sampled_from([40.0, 60.0, 80.0])
    wires = draw(st.lists(st.builds(Edge, number, height, number, height), max_size=30))
    owner = draw(st.lists(st.sampled_from(["", "A", "B", "AC"]), min_size=count, max_size=count))

    def members(name: str) -> tuple[Key, ...]:
        return tuple(n for n in range(count) if owner[n] == name)

    inner = (Group("C", members("AC")),) if members("AC") else ()
    groups = [Group("A", members("A"), inner)] if members("A") or inner else []
    return sizes, wires, groups + ([Group("B", members("B"))] if members("B") else [])


@settings(max_examples=150, deadline=None)
@given(drawings())
def test_whatever_is_drawn(drawing: tuple[dict[Key, Size], list[Edge], list[Group]]) -> None:
    sizes, wires, groups = drawing
    places = arrange(sizes, wires, groups)
    boxes = {key: places[key] for key in sizes}
    assert not any(overlaps(a, b) for a, b in combinations(boxes.values(), 2))
    assert all(boxes[key][2:] == size for key, size in sizes.items())
    assert min(place.x for place in places.values()) == min(place.y for place in places.values()) == 0

    def check(group: Group) -> set[Key]:
        own = set(group.boxes).union(*(check(child) for child in group.groups))
        for key, place in boxes.items():
            assert inside(place, places[group.key]) if key in own else not overlaps(place, places[group.key])
        return own

    for group in groups:
        check(group)
    forward = [wire for wire in wires if wire.source < wire.target]  # type: ignore[operator]  # they are numbers
    flat = arrange(sizes, forward)
    assert all(flat[w.source].x + flat[w.source].width < flat[w.target].x for w in forward)
