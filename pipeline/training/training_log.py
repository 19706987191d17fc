"""TrainingLog: metrics per interval, as JSON lines and as TensorBoard scalars."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.artifacts import publishing


class TrainingLog:
    """Append entries to the JSON-lines file at `path` and to the TensorBoard `folder`.

    Opening it cuts the file back to the entries of at most `steps` steps, those that the
    checkpoint vouches for, and writes the TensorBoard scalars anew from them.
    """

    def __init__(self, path: Path, folder: Path, steps: int) -> None:
        self._path = path
        kept = [entry for entry in read_entries(path) if entry["step"] <= steps]
        with publishing(path) as temporary:
            temporary.write_text("".join(map(_line, kept)))
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        for entry in kept:
            self._summarise(entry)

    def append(self, entry: dict[str, Any]) -> None:
        """Add one interval; `entry` has `step` and numbers by name."""
        with open(self._path, "a") as file:
            file.write(_line(entry))
        self._summarise(entry)

    def _summarise(self, entry: dict[str, Any]) -> None:
        with self._writer.as_default(step=entry["step"]):
            for name, value in entry.items():
                if name != "step":
                    tf.summary.scalar(name, value)
        self._writer.flush()


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a training log; a torn last line, left by a kill, is dropped."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    entries = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
