"""Libraries whose modules run when they are used: they are the same libraries, at the versions that are installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weft.nodes.diffusion.deferred import DEFERRED, LATE

ROOT = Path(__file__).resolve().parent.parent.parent
# A new version may ask for other names: then a run imports more than it needs (test_startup.py tells), or a name has
# moved (the test below tells). After a look at both, it is written here.
SEEN = {"torch": "2.13.0", "transformers": "5.23.0", "diffusers": "0.42.1"}


def told(code: str, tmp_path: Path) -> Any:
    """What a fresh interpreter prints last, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-W", "error::DeprecationWarning:weft", "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_the_versions_that_the_table_was_looked_at_with() -> None:
    from importlib.metadata import version

    assert {name: version(name).partition("+")[0] for name in SEEN} == SEEN


USED = """
import json, sys
import weft.nodes.diffusion
from weft.nodes.diffusion.deferred import DEFERRED, LATE, DeferredModule, Late, _loaded
import importlib
from diffusers.models.attention import BasicTransformerBlock
import torch

def waits(name):
    return isinstance(sys.modules.get(name), DeferredModule) and not sys.modules[name]._ran

told = {"waited": waits("torch._dynamo")}

from scipy.optimize import linear_sum_assignment
told["late"] = type(linear_sum_assignment).__name__
rows, columns = linear_sum_assignment([[0, 1], [1, 0]])
told["assigned"] = [rows.tolist(), columns.tolist()]

# What was marked before there was a compiler is marked, and what must not be compiled is what it was.
from diffusers.hooks.group_offloading import GroupOffloadingHook
from torch._dynamo import disable
plain = disable(lambda x: x + 1)
told["called"] = plain(1)
from torch._dynamo import trace_rules
told["marked"] = trace_rules.is_callable_allowed(BasicTransformerBlock)
told["called again"] = plain(1)
told["compiled"] = torch.compile(lambda x: plain(x) * 2, backend="eager")(torch.ones(1)).item()

# Names of the table are those that the libraries give.
wrong = []
for name, names in DEFERRED.items():
    module = importlib.import_module(name)
    before = {each: getattr(module, each) for each in names if each != LATE}
    module = _loaded(name)
    for each, value in before.items():
        now = getattr(module, each)
        known = value._meant if isinstance(value, Late) else value
        if each not in ("allow_in_graph", "assume_constant_result", "disable") and now is not known and now != known:
            wrong.append(f"{name}.{each}")
    if waits(name) or isinstance(getattr(module, "__file__", None), Late):
        wrong.append(name)
told["wrong"] = wrong

from transformers import AutoConfig, AutoTokenizer
told["transformers"] = [AutoConfig.__module__, AutoTokenizer.__module__]
from transformers.core_model_loading import WeightConverter
told["class"] = isinstance(WeightConverter, type)
print(json.dumps(told))
"""


@pytest.mark.slow
def test_deferred_modules_are_the_libraries_own(tmp_path: Path) -> None:
    found = told(USED, tmp_path)
    assert found.pop("wrong") == []
    assert found == {
        "waited": True,
        "late": "Late",
        "assigned": [[0, 1], [0, 1]],
        "called": 2,
        "marked": True,
        "called again": 2,
        "compiled": 4.0,
        "transformers": ["transformers.models.auto.configuration_auto", "transformers.models.auto.tokenization_auto"],
        "class": True,
    }


LATER = """
import json, sys
from weft.nodes.diffusion.deferred import install
import weft.nodes.diffusion.deferred as deferred
deferred.DEFERRED = {"colorsys": {"rgb_to_hsv": "*", "missing": "*"}, "wave": {"*": "*"}, "json.tool": {}}
install()
install()
told = {}
import colorsys
from colorsys import rgb_to_hsv
told["same"] = sum(isinstance(finder, deferred._Finder) for finder in sys.meta_path)
told["waits"] = deferred._is_waiting("colorsys")
told["file"] = colorsys.__file__.endswith("colorsys.py") and colorsys.__spec__.name == "colorsys"
told["used"] = rgb_to_hsv(1, 0, 0)
told["ran"] = not deferred._is_waiting("colorsys") and colorsys.rgb_to_hsv is not rgb_to_hsv
for name in ("missing", "nothing"):
    try:
        getattr(colorsys, name)
    except AttributeError as error:
        told[name] = str(error)
from wave import Wave_read, WAVE_FORMAT_PCM as form, Error
told["instance"] = isinstance(1, Wave_read)
told["annotation"] = "Late" in str(Wave_read | None)
class Mine(Wave_read):
    pass
told["bases"] = Mine.__mro__[1].__module__
told["subclass"] = issubclass(Mine, Wave_read)
import json.tool
told["inner"] = callable(json.tool.main)
try:
    import nowhere_at_all
except ModuleNotFoundError:
    told["not found"] = True
print(json.dumps(told))
"""


def test_a_module_runs_when_a_name_is_used_that_the_table_has_not(tmp_path: Path) -> None:
    assert told(LATER, tmp_path) == {
        "same": 1,
        "waits": True,
        "file": True,
        "used": [0.0, 1.0, 1],
        "ran": True,
        "missing": "module 'colorsys' has no attribute 'missing'",
        "nothing": "module 'colorsys' has no attribute 'nothing'",
        "instance": False,
        "annotation": True,
        "bases": "wave",
        "subclass": True,
        "inner": True,
        "not found": True,
    }


THREADS = """
import json, sys, threading
sys.path.insert(0, {folder!r})
from weft.nodes.diffusion import deferred
deferred.DEFERRED = {{"slow_to_run": {{"named": deferred.LATE}}}}
deferred.install()
import slow_to_run

begun = threading.Event()
sys.modules["begun"] = begun
found = []
first = threading.Thread(target=lambda: found.append(slow_to_run.first))
first.start()
assert begun.wait(60)
# The module's code runs now, in the other thread, and goes on when this one asks.
for name in ("last", "named", "missing"):
    try:
        found.append(getattr(slow_to_run, name))
    except AttributeError:
        found.append("missing")
first.join()
print(json.dumps(sorted(found)))
"""
SLOW_TO_RUN = """
import sys, time
first = "first"
sys.modules["begun"].set()
time.sleep(0.1)
named = "named"
last = "last"
"""


def test_a_thread_waits_for_a_module_that_another_one_runs(tmp_path: Path) -> None:
    (tmp_path / "slow_to_run.py").write_text(SLOW_TO_RUN)
    assert told(THREADS.format(folder=str(tmp_path)), tmp_path) == ["first", "last", "missing", "named"]


def test_only_modules_of_the_libraries_are_deferred() -> None:
    assert {name.partition(".")[0] for name in DEFERRED} == {
        "diffusers", "huggingface_hub", "requests", "scipy", "torch", "transformers",
    }  # fmt: skip
    assert all(where == LATE or callable(where) or where in sys.stdlib_module_names or "." in where
               for names in DEFERRED.values() for where in names.values())  # fmt: skip
