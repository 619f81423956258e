from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from weft.cli import main
from weft.engine.errors import UsageError
from weft.engine.testing.records import Birth, NodeRecord
from weft.engine.testing.tolerances import (
    CLASSES,
    CLOSE,
    DEVICE,
    EXACT,
    LIMITS,
    LOWER,
    OTHER,
    PERCEPTUAL,
    Distance,
    Rule,
    Tolerances,
    distance,
    read_rules,
)

BIRTH = Birth(
    weft="0.1.0",
    key_version=1,
    sampling="comfy",
    sampling_version=1,
    dtype="float32",
    device="cpu",
    device_name="a processor",
    instructions="AVX2",
    threads=1,
    packages={"torch": "2.13.0", "numpy": "2.4.6"},
    python="3.11.7",
    platform="Linux x86_64",
    date="2026-11-21T00:00:00+00:00",
    independent="no",
)
NODE = NodeRecord(class_type="KSampler", title="draw", version="1", key="00")


def born(**fields: Any) -> Birth:
    return BIRTH.model_copy(update=fields)


@pytest.mark.parametrize(
    ("now", "name", "told"),
    [
        ({}, EXACT, ()),
        ({"date": "2027-01-01T00:00:00+00:00", "models": {"a": "b"}}, EXACT, ()),
        ({"weft": "0.2.0"}, EXACT, ("weft: 0.1.0 -> 0.2.0",)),
        ({"sampling": "continuous"}, EXACT, ("sampling: comfy -> continuous",)),
        ({"threads": 2}, CLOSE, ("threads: 1 -> 2",)),
        ({"device_name": "another"}, CLOSE, ("device_name: a processor -> another",)),
        ({"packages": {"torch": "2.14.0", "numpy": "2.4.6"}}, CLOSE, ("torch: 2.13.0 -> 2.14.0",)),
        ({"packages": {"torch": "2.13.0"}}, CLOSE, ("numpy: 2.4.6 -> none",)),
        ({"device": "cuda"}, DEVICE, ("device: cpu -> cuda",)),
        ({"dtype": "bfloat16"}, DEVICE, ("dtype: float32 -> bfloat16",)),
    ],
)
def test_distance(now: dict[str, Any], name: str, told: tuple[str, ...]) -> None:
    assert distance(BIRTH, born(**now)) == Distance(name, told)


def test_half_precision_on_another_processor_is_as_far_as_another_device() -> None:
    half = born(dtype="float16", device="cuda")
    assert distance(half, half).name == EXACT
    assert distance(half, half.model_copy(update={"device_name": "another"})).name == DEVICE


def test_each_class_allows_more_than_the_one_before() -> None:
    for by_class in (*LIMITS.values(), OTHER):
        assert tuple(by_class) == CLASSES[1:]
        for tight, loose in zip((CLOSE, DEVICE), (DEVICE, PERCEPTUAL), strict=True):
            for measure in set(by_class[tight]) & set(by_class[loose]):
                a, b = by_class[tight][measure], by_class[loose][measure]
                assert (a >= b) if measure in LOWER else (a <= b)


def allowance(*rules: Rule, apart: str = CLOSE, io_type: str = "LATENT") -> Any:
    return Tolerances(Distance(apart, ("threads: 1 -> 2",)), rules).allowance("portrait", "5", NODE, io_type)


def test_the_class_by_distance_says_why() -> None:
    found = allowance()
    assert found.limits == LIMITS["LATENT"][CLOSE]
    assert found.rule == "class close (threads: 1 -> 2)"
    assert allowance(apart=EXACT).limits == {}
    assert allowance(io_type="AUDIO").limits == OTHER[CLOSE]


def test_the_last_rule_that_fits_wins() -> None:
    first = Rule("first", node="KSampler", limits={"rms_rel": 0.1})
    second = Rule("second", node="5", name=PERCEPTUAL)
    assert allowance(first, second).rule == "second: class perceptual"
    assert allowance(second, first).limits == {"rms_rel": 0.1}
    assert allowance(first, replace(second, node="6")).override is first


@pytest.mark.parametrize(
    ("table", "fits"),
    [
        ({}, True),
        ({"node": "draw"}, True),
        ({"node": "KSam*"}, True),
        ({"node": "VAEDecode"}, False),
        ({"workflow": "port*"}, True),
        ({"workflow": "landscape"}, False),
        ({"type": "LATENT"}, True),
        ({"type": "IMAGE"}, False),
    ],
)
def test_what_a_rule_speaks_about(table: dict[str, str], fits: bool) -> None:
    (rule,) = read_rules([{**table, "max_abs": 1}], "here")
    assert rule.fits("portrait", "5", NODE, "LATENT") is fits
    assert rule.source == "here 1"


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"max_abs": 1}, "here: expected a list of tables"),
        ([{"max_abs": "1"}], "here 1: max_abs should be a number, got '1'"),
        ([{"node": 5, "max_abs": 1}], "here 1: node should be text, got 5"),
        ([{"max_abs": 1}, {"nod": "5", "ssim": 0.9}], "here 2: unknown key 'nod' (did you mean 'node'?)"),
        ([{"node": "5"}], "here 1: expected either a class"),
        ([{"class": "close", "max_abs": 1}], "here 1: expected either a class"),
        ([{"class": "clos"}], "unknown class 'clos', expected one of exact, close, device, perceptual"),
    ],
)
def test_a_bad_rule_is_refused(tables: Any, told: str) -> None:
    with pytest.raises(UsageError) as error:
        read_rules(tables, "here")
    assert told in str(error.value)


DOCUMENT = (Path(__file__).resolve().parent.parent.parent / "docs" / "testing.md").read_text()


def test_the_documented_limits_are_those_in_force() -> None:
    columns = ("IMAGE", "LATENT", "SIGMAS")
    for name in CLASSES[1:]:
        row = re.search(rf"^\| `{name}` \|(.*)\|$", DOCUMENT, re.MULTILINE)
        assert row is not None
        for io_type, cell in zip(columns, row[1].split("|")[1:], strict=True):
            told = {measure: float(value) for measure, value in re.findall(r"(\w+) ([\d.e-]+)", cell)}
            assert told == LIMITS[io_type][name], (name, io_type)


def test_the_recipe_for_ci_is_yaml_and_names_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    text = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert text is not None
    steps = yaml.safe_load(text[1])["jobs"]["test"]["steps"]
    (command,) = (step["run"] for step in steps if "weft test" in step.get("run", ""))
    main(["test", "check", "--help"])
    known = capsys.readouterr().out
    for option in re.findall(r"--\w+", command):
        assert option in known
