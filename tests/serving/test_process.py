"""`weft serve` as a process: how it begins, how it ends, and that a kill loses no job."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main

SRC = Path(__file__).resolve().parents[2] / "src"
PACK = """
import time


def note(line):
    with open("notes", "a") as stream:
        print(line, file=stream)


class Waits:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seconds": ("FLOAT", {}), "name": ("STRING", {})}}

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "wait"

    def wait(self, seconds, name):
        note(f"began {name}")
        time.sleep(seconds)
        return {"ui": {"name": [name]}}


NODE_CLASS_MAPPINGS = {"Waits": Waits}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "waits.py").write_text(PACK)
    return tmp_path


@contextmanager
def process(folder: Path, *options: str, packs: Path = Path("packs")) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "weft", "serve", "--port", "0", "--custom-nodes", str(packs), *options]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "XDG_DATA_HOME": str(folder / "data")}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        reading = threading.Thread(target=started.stderr.read)
        try:
            address = ""
            while not address:
                line = started.stderr.readline()
                assert line, "it ended"
                address = "".join(re.findall(r"listening at (\S+)", line))
            reading.start()  # a full pipe would stop the server
            yield started, address
        finally:
            started.kill()
            if reading.ident is not None:
                reading.join()


def ask(address: str, data: Any = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
        return json.loads(answer.read())


def waits(name: str, seconds: float = 0.0) -> dict[str, Any]:
    return {"prompt": {"1": {"class_type": "Waits", "inputs": {"seconds": seconds, "name": name}}}, "prompt_id": name}


def until_known(address: str, names: list[str]) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = ask(f"{address}/history")
        if found.keys() >= set(names):
            return found


@pytest.mark.slow
def test_a_killed_server_comes_back_with_its_jobs_and_a_signal_ends_it(folder: Path) -> None:
    with process(folder, "--state", "state") as (started, address):
        ask(f"{address}/prompt", waits("done"))
        until_known(address, ["done"])
        for name in ("running", "next", "last"):
            ask(f"{address}/prompt", waits(name, 30.0 if name == "running" else 0.0))
        while not ask(f"{address}/queue")["queue_running"]:
            pass
        with pytest.raises(subprocess.CalledProcessError) as second:
            subprocess.run(
                [sys.executable, "-m", "weft", "serve", "--port", "0", "--state", "state"],
                cwd=folder, env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True, check=True,
            )  # fmt: skip
        assert second.value.returncode == 2
        assert b"another server keeps its queue" in second.value.stderr
        started.send_signal(signal.SIGKILL)
    with process(folder, "--state", "state") as (started, address):
        assert list(ask(f"{address}/history")) == ["done"]
        while not ask(f"{address}/queue")["queue_running"]:
            pass
        queue = ask(f"{address}/queue")
        assert [item[1] for item in queue["queue_running"] + queue["queue_pending"]] == ["running", "next", "last"]
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 143


@pytest.mark.slow
def test_50_kills_lose_no_job_and_repeat_none_but_the_one_that_ran(folder: Path) -> None:
    chance = random.Random(50)
    posted: list[str] = []
    for boot in range(50):
        with process(folder, "--state", "state") as (started, address):
            killed = threading.Timer(chance.uniform(0.0, 0.3), started.kill)
            killed.start()
            with suppress(OSError, HTTPException):  # the one that was just posted may be there, and may not
                for place in range(1000):
                    name = f"{boot}-{place}"
                    ask(f"{address}/prompt", waits(name, chance.choice((0.0, 0.01, 0.05))))
                    posted.append(name)
                    if place % 2:
                        time.sleep(0.05)
            killed.join()
            started.wait(60)
        with open(folder / "notes", "a") as stream:
            print("killed", file=stream)
    with process(folder, "--state", "state") as (started, address):
        until_known(address, posted)
        while ask(f"{address}/prompt")["exec_info"]["queue_remaining"]:
            pass
        history = until_known(address, posted)
    for name in posted:
        entry = history[name]
        assert (entry["status"]["status_str"], entry["outputs"]) == ("success", {"1": {"name": [name]}})
    assert len(posted) > 100
    lives = [life.split("\n") for life in (folder / "notes").read_text().split("killed\n")]
    began = [[line.removeprefix("began ") for line in life if line.startswith("began ")] for life in lives]
    assert sum(map(bool, began)) > 25, "most kills hit a server at work"
    for life, names in enumerate(began):
        later = {name for others in began[life + 1 :] for name in others}
        assert not later.intersection(names[:-1]), "only what ran when the server was killed runs again"
    firsts = list(dict.fromkeys(name for names in began for name in names))
    assert [name for name in firsts if name in posted] == posted, "in the order in which they were posted"


def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--listen", "0.0.0.0"]) == 2
    assert "no token is set (--token TEXT)" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot listen at 127.0.0.1 port" in capsys.readouterr().err
