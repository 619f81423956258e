"""What schedules are said to be before they are computed is what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from weft.engine.planning.forecast import trajectory_of
from weft.engine.session import Session
from weft.engine.trajectory import ForetoldInputs, Trajectory
from weft.nodes.core.trajectories import ForetoldSigmas

MODEL = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}}}
ENDS = {"sigma_max": 14.0, "sigma_min": 0.03}
SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    *(
        ("BasicScheduler", {"model": ["1", 0], "scheduler": scheduler, "steps": steps, "denoise": denoise})
        for scheduler in ("normal", "ddim_uniform", "beta")
        for steps, denoise in ((5, 1.0), (7, 0.5), (3, 0.0), (4, 0.35))
    ),
    ("KarrasScheduler", {"steps": 6, "rho": 7.0, **ENDS}),
    ("ExponentialScheduler", {"steps": 6, **ENDS}),
    ("PolyexponentialScheduler", {"steps": 6, "rho": 1.0, **ENDS}),
    ("LaplaceScheduler", {"steps": 6, "mu": 0.0, "beta": 0.5, **ENDS}),
    ("VPScheduler", {"steps": 6, "beta_d": 19.9, "beta_min": 0.1, "eps_s": 0.001}),
    *(("SDTurboScheduler", {"model": ["1", 0], "steps": steps, "denoise": 0.55}) for steps in (2, 9)),
    *(
        ("AlignYourStepsScheduler", {"model_type": "SD1", "steps": 9, "denoise": denoise})
        for denoise in (1.0, 0.5, 0.0)
    ),
    *(("GITSScheduler", {"coeff": 1.2, "steps": 9, "denoise": denoise}) for denoise in (1.0, 0.5, 0.0)),
]
SPLITS: list[tuple[str, dict[str, Any]]] = [
    *(("SplitSigmas", {"step": step}) for step in (0, 2, 5, 9)),
    *(("SplitSigmasDenoise", {"denoise": denoise}) for denoise in (0.0, 0.3, 0.5, 1.0)),
]


def graph(schedule: str, inputs: dict[str, Any], split: str, more: dict[str, Any]) -> dict[str, Any]:
    return MODEL | {
        "2": {"class_type": schedule, "inputs": inputs},
        "3": {"class_type": split, "inputs": {"sigmas": ["2", 0], **more}},
    }


def foretold(session: Session, prompt: dict[str, Any]) -> dict[str, ForetoldSigmas]:
    """What is foretold of the schedule and its halves."""
    plan = session.plan(session.read(prompt), ["3"])
    found: dict[str, ForetoldSigmas] = {}

    def tell(given: ForetoldInputs, settings: Any) -> Trajectory | None:
        found.update(given.foretold)
        return None

    step = next(step for step in plan.steps if step.node_id == "3")
    for slot in (0, 1):
        inputs = {"2.0": step.inputs["sigmas"], f"3.{slot}": step.inputs["sigmas"]._replace(node_id="3", slot=slot)}
        trajectory_of(step._replace(inputs=inputs), tell, session.settings, plan.nodes, session.registry)
    return found


@pytest.fixture(scope="module")
def session(random_models: Path) -> Session:
    return Session(models=(random_models,), device="cpu", cache=weft.MemoryCache())


@pytest.mark.parametrize(("schedule", "inputs"), SCHEDULES, ids=lambda value: value if isinstance(value, str) else "")
def test_schedules(schedule: str, inputs: dict[str, Any], session: Session) -> None:
    for split, more in SPLITS:
        prompt = graph(schedule, inputs, split, more)
        said = foretold(session, prompt)
        made = session.execute(session.plan(session.read(prompt), ["2", "3"]))
        for name, levels in said.items():
            node_id, slot = name.split(".")
            sigmas = made[node_id][int(slot)]
            assert len(levels.steps) == max(len(sigmas) - 1, 0), (split, more, name)
            ends = len(sigmas) > 1 and float(sigmas[-1]) == 0
            assert ends == bool(levels.steps and levels.to_zero and levels.steps.stop == levels.length), (
                split,
                more,
                name,
            )
        assert set(said) == {"2.0", "3.0", "3.1"}
