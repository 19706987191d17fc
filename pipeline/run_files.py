"""The names that files have in every run folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.geometry import Box
from pipeline.results.folders import place

CONFIG_NAME = "config.yaml"
"""Of the file in a run folder that holds the settings of the last start, resolved."""

ALIGN_CONFIG_NAME = "align.yaml"
"""Of the file in the folder of `ffn align` alone that holds those of its last start."""


@dataclass(frozen=True)
class RunFiles:
    """Where everything is in a run folder whose name does not depend on settings."""

    folder: Path

    @property
    def config_file(self) -> Path:
        return self.folder / CONFIG_NAME

    @property
    def phantom_file(self) -> Path:
        """HDF5 with datasets `image` (uint8) and `labels` (uint32)."""
        return self.folder / "phantom" / "phantom.h5"

    @property
    def coordinates_file(self) -> Path:
        return self.folder / "model" / "coordinates.npy"

    def candidate_file(self, fovs: int) -> Path:
        """The network that the training came to after so many FOVs, where some are tried."""
        return self.folder / "model" / f"ffn.{after(fovs)}.h5"

    def rehearsal_file(self, fovs: int | None = None) -> Path:
        """Sealed JSON: whether the trained network, or the one after so many FOVs, settles in floods."""
        return self.folder / "model" / ("rehearsal.json" if fovs is None else f"rehearsal.{after(fovs)}.json")

    @property
    def validation_folder(self) -> Path:
        """All that is made in trying networks."""
        return self.folder / "validation"

    @property
    def validation_file(self) -> Path:
        """JSON: the scores of all networks that were tried, and which one was chosen."""
        return self.folder / "validation.json"

    @property
    def checkpoint_file(self) -> Path:
        """State of a training in progress."""
        return self.folder / "model" / "checkpoint.h5"

    @property
    def in_hand_folder(self) -> Path:
        """What each rank of a training was at when the checkpoint was saved, where that was in a round."""
        return self.folder / "model" / "in_hand"

    @property
    def segmentation_folder(self) -> Path:
        """Neuroglancer precomputed volume."""
        return self.folder / "segmentation"

    @cached_property
    def tiles_folder(self) -> Path:
        """All that is made of tiles, in folders by where they start: see `pipeline.results.folders.place`."""
        return self.folder / "tiles"

    @cached_property
    def reconciliation_folder(self) -> Path:
        """Overlap evidence of each tile, and the global merge."""
        return self.tiles_folder / "reconciliation"

    @property
    def id_table_file(self) -> Path:
        """HDF5: which segment of which tile is which of the volume, and how many and how large they are."""
        return self.reconciliation_folder / "id_table.h5"

    @property
    def corrected_table_file(self) -> Path:
        """HDF5: the same after the corrections of reconciliation.corrections, and what became of each."""
        return self.reconciliation_folder / "corrected.h5"

    @property
    def corrections_file(self) -> Path:
        """JSON: what became of each correction, where there are some."""
        return self.folder / "corrections.json"

    @property
    def conflicts_file(self) -> Path:
        """JSON: where tiles contradict each other about what is one object."""
        return self.folder / "conflicts.json"

    @property
    def agglomeration_folder(self) -> Path:
        """Decision points and scores of each block."""
        return self.folder / "agglomeration"

    @property
    def agglomeration_file(self) -> Path:
        """HDF5: the agglomeration graph, and which segments are one by it."""
        return self.folder / "agglomeration.h5"

    @property
    def edges_file(self) -> Path:
        """CSV: the edges of the agglomeration graph, with points and scores."""
        return self.folder / "edges.csv"

    @property
    def alignment_folder(self) -> Path:
        """All that is made of sections on the way to a volume, where a run makes its image of them."""
        return self.folder / "alignment"

    @property
    def aligned_folder(self) -> Path:
        """Neuroglancer precomputed volume: that image."""
        return self.folder / "aligned"

    def aligned_block_file(self, block: Box) -> Path:
        """JSON: the files of it that one block is."""
        name = "z{:06d}_y{:06d}_x{:06d}.json".format(*block.start)
        return place(self.alignment_folder / "volume" / "blocks", block.start, name)

    @property
    def quality_file(self) -> Path:
        """JSON: how well the sections fit each other."""
        return self.folder / "quality.json"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def worst_file(self) -> Path:
        """JSON: the costliest errors, where they are scored."""
        return self.folder / "worst.json"

    @property
    def verdicts_file(self) -> Path:
        """CSV: what a person found of each of them; the only file here that is for others to write."""
        return self.folder / "verdicts.csv"

    @property
    def run_length_file(self) -> Path:
        """JSON: run length along skeletons, where there are some."""
        return self.folder / "run_length.json"

    @property
    def report_file(self) -> Path:
        """JSON: all that the report says."""
        return self.folder / "report.json"

    @property
    def report_page(self) -> Path:
        """The report, for people: HTML that needs nothing else."""
        return self.folder / "report.html"

    @property
    def rates_file(self) -> Path:
        """JSON: how fast the run was, for the plans of others."""
        return self.folder / "rates.json"

    @property
    def group_records_folder(self) -> Path:
        """What was found of finished tasks, a thousand in a file: see `pipeline.results.group_records`."""
        return self.folder / "checked"

    @property
    def logs_folder(self) -> Path:
        return self.folder / "logs"

    @property
    def warnings_file(self) -> Path:
        """JSON: what was doubtful of the input when the run was started last, a line each."""
        return self.logs_folder / "warnings.json"

    @property
    def inputs_file(self) -> Path:
        """JSON: each volume that was read, as the last start found it."""
        return self.logs_folder / "inputs.json"

    @property
    def training_log(self) -> Path:
        """One JSON object a line: metrics of training per interval."""
        return self.logs_folder / "training.jsonl"

    @property
    def driver_log(self) -> Path:
        """What all starts printed on the run, whether anybody listened or not."""
        return self.logs_folder / "driver.log"

    @property
    def monitoring_file(self) -> Path:
        """SQLite: what became of every task of all starts that were monitored."""
        return self.logs_folder / "monitoring.db"

    @property
    def failures_log(self) -> Path:
        """One JSON object a line: every failure of a task, tried again or not."""
        return self.logs_folder / "failures.jsonl"

    @property
    def jobs_log(self) -> Path:
        """JSON: the blocks of workers that the driver asked for, and what became of them."""
        return self.logs_folder / "jobs.json"

    @property
    def markers_folder(self) -> Path:
        """A file of its name for each tile at work, and for nothing else: few, however large the run is."""
        return self.logs_folder / "at_work"

    @property
    def tile_logs_folder(self) -> Path:
        """The logs of all tiles that were ever begun."""
        return self.logs_folder / "tiles"

    @property
    def engine_file(self) -> Path:
        """Sealed JSON: what the first worker that segmented a tile pinned as the run's engine."""
        return self.tiles_folder / "engine.json"


def after(fovs: int) -> str:
    """What the names of files have of a network that was tried."""
    return f"fovs{fovs:012d}"
