"""TrainingLog: metrics per interval, as JSON lines and as TensorBoard scalars."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.results.artifacts import publishing, remove
from pipeline.results.attempts import fence


class TrainingLog:
    """Append entries to the JSON-lines file at `path` and to the TensorBoard `folder`.

    Opening it writes both anew from `entries`, those that the checkpoint holds: what a killed
    attempt logged after it, or another training, is gone. Both raise Superseded, and write nothing, when a
    newer attempt has begun: the logs are its own by now.
    """

    def __init__(self, path: Path, folder: Path, entries: Iterable[dict[str, Any]]) -> None:
        self.entries = list(map(_finite, entries))
        self._path = path
        with publishing(path) as temporary:
            temporary.write_text("".join(map(_line, self.entries)))
        remove(folder)
        with fence():
            self._writer = tf.summary.create_file_writer(str(folder))
            for entry in self.entries:
                self._summarise(entry)

    def append(self, entry: dict[str, Any]) -> None:
        """Add one interval; `entry` has `step`, by name numbers, and what TensorBoard has no use for.

        A number that is not finite, as of a training that breaks down, is none: JSON has no NaN.
        """
        entry = _finite(entry)
        self.entries.append(entry)
        with fence():
            with open(self._path, "a") as file:
                file.write(_line(entry))
            self._summarise(entry)  # TensorFlow makes its file again where it was removed

    def _summarise(self, entry: dict[str, Any]) -> None:
        with self._writer.as_default(step=entry["step"]):
            for name, value in entry.items():
                if name != "step" and isinstance(value, (int, float)):
                    tf.summary.scalar(name, value)
        self._writer.flush()


def _finite(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in entry.items()
    }


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"
