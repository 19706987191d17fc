"""The first things that a reader of the report sees: how the run stands, and its key figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.results.attempts import is_alive, read_owner
from pipeline.results.gates import AT_A_GATE, describe
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run


def state(run: Run, said: Mapping[str, Any], look: Look) -> dict[str, str]:
    """In words, and as `good`, `wait` or `bad`."""
    missing = [stage["name"] for stage in said["stages"] if stage["finished"] < stage["tasks"]]
    if not missing:
        return {"kind": "good", "says": "Finished: every task of every stage is done."}
    owner = look(read_owner, run.folder)
    if owner is not None and look(is_alive, run.folder, owner):
        return {"kind": "wait", "says": f"At work: {', '.join(missing)} to go."}
    last = said["attempts"][-1] if said["attempts"] else None
    if last and last["exit"] == AT_A_GATE:
        return {"kind": "wait", "says": f"{_at_its_gate(last, said)}; to go: {', '.join(missing)}."}
    how = f"the last attempt {ending(last)}" if last else "no run was started here"
    return {"kind": "bad", "says": f"Not finished: {how}; missing: {', '.join(missing)}."}


def _at_its_gate(last: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What an attempt that stopped at gates waits for: a person's word, or, once that is said, a start."""
    words = [word for word in said["gates"] if word["time"] >= last["ended"]]
    if not words:
        return f"Waits for a person: {last['why']}"
    spoken = "; ".join(f"{word['stage']} {describe(word)}" for word in words)
    return f"Stopped at a gate, and not started again since a person has spoken: {spoken}"


def ending(attempt: Mapping[str, Any], is_at_work: bool = False) -> str:
    """How an attempt ended, in words."""
    if attempt["ended"] is None:
        dead = "has not ended, or died without a word"
        return "was at work when this was written" if is_at_work else dead
    why = f": {attempt['why']}" if attempt.get("why") else ""
    if attempt["exit"] == 0:
        return f"ended well at {attempt['ended']}"
    how = "was interrupted" if attempt["exit"] == "interrupted" else f"ended with exit code {attempt['exit']}"
    return f"{how} at {attempt['ended']}{why}"


def cards(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The key figures that are known: name, value, and how it is written."""
    scores, outcome, tiles = said["scores"] or {}, said["outcome"] or {}, said["tiles"]
    filled = scores.get("filled", {})
    voi = [filled.get("voi_split"), filled.get("voi_merge")]
    shown = [
        ("ARE, filled", filled.get("are"), "number", 4),
        ("VOI, filled, in bits", sum(voi) if None not in voi else None, "number", 4),
        ("coverage", scores.get("coverage"), "share", 0),
        ("segments", outcome.get("segments"), "number", None),
        ("voxels/s a worker", tiles["voxels_per_s_a_worker"], "number", None),
        ("F1 of the training", (said["training"] or {}).get("f1_of_last_tenth"), "number", 4),
        ("of all tasks together", sum(stage["busy_s"] for stage in said["stages"]), "duration", 0),
    ]
    return [
        {"name": name, "value": value, "as": form, "digits": digits}
        for name, value, form, digits in shown
        if value is not None
    ]
