"""Run: a resolved configuration and the folder in which its results have fixed names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.config import Inference, RunConfig
from pipeline.geometry import Box, Tile, TileGrid
from pipeline.results.folders import place
from pipeline.settings.engine_pin import EnginePin
from pipeline.settings.fields import Section
from pipeline.settings.inference import Pass

CONFIG_NAME = "config.yaml"
"""Of the file in a run folder that holds the settings of the last start, resolved."""


@dataclass(frozen=True)
class Run:
    """What every task is given: small, picklable, and enough to find everything else.

    The configuration is resolved: its boxes are set and its paths are absolute.
    """

    folder: Path
    config: RunConfig
    identities: Mapping[str, str] = field(default_factory=dict)
    """What `image` and `labels` are, as `pipeline.settings.input_identities` found when the run began."""
    inputs: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Of each volume that is read: its stamp, how it is read, its content, as found when the run began."""
    touched: tuple[str, ...] = ()
    """Those of them whose files are not as they were at the last start, though their voxels are."""
    only: frozenset[int] | None = None
    """Indices of the tiles to segment, and nothing after that is done; None: the whole run."""
    nth_pass: int | None = None
    """Which of several passes this is, from 1 on; None: the run itself, or a pass that is just as it says."""
    has_own_network: bool = False
    """Whether this is a pass with a network that is not that of the run."""
    tries: int | None = None
    """The FOVs after which the training's network is tried on the validation box, by what is then a run over
    that box alone; None: the run itself."""
    pin: EnginePin | None = None
    """What the finished tiles were made by, and all others are; None where the first worker is yet to say."""

    @property
    def config_file(self) -> Path:
        return self.folder / CONFIG_NAME

    @property
    def uses_phantom(self) -> bool:
        """Whether the run makes its own input."""
        return "phantom" in (self.config.data.image, self.config.data.labels)

    @property
    def phantom_file(self) -> Path:
        """HDF5 with datasets `image` (uint8) and `labels` (uint32)."""
        return self.folder / "phantom" / "phantom.h5"

    @property
    def coordinates_file(self) -> Path:
        return self.folder / "model" / "coordinates.npy"

    @property
    def model_file(self) -> Path:
        """The network that inference uses, trained or imported."""
        name = f"ffn.pass{self.nth_pass}.h5" if self.has_own_network else "ffn.h5"
        return self.folder / "model" / name

    def candidate_file(self, fovs: int) -> Path:
        """The network that the training came to after so many FOVs, where some are tried."""
        return self.folder / "model" / f"ffn.{_after(fovs)}.h5"

    @property
    def validation_folder(self) -> Path:
        """All that is made in trying networks."""
        return self.folder / "validation"

    @property
    def validation_file(self) -> Path:
        """JSON: the scores of all networks that were tried, and which one was chosen."""
        return self.folder / "validation.json"

    @property
    def try_file(self) -> Path:
        """JSON: the scores of the network that this run tries."""
        assert self.tries is not None, "only a run that tries a network has scores of it"
        return self.validation_folder / f"{_after(self.tries)}.json"

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

    @property
    def tiles_folder(self) -> Path:
        """All that is made of tiles, in folders by where they start: see `pipeline.results.folders.place`."""
        return self.folder / "tiles"

    @property
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
    def final_table_file(self) -> Path:
        """That by which the volume is written."""
        corrects = self.config.reconciliation.corrections is not None
        return self.corrected_table_file if corrects else self.id_table_file

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

    def stem(self, tile: Tile) -> str:
        """The name of a tile's files, without their endings."""
        if self.tries is not None:
            return f"{tile.name}.{_after(self.tries)}"
        return tile.name if self.nth_pass is None else f"{tile.name}.pass{self.nth_pass}"

    def _in_place(self, tile: Tile, name: str) -> Path:
        """Where the file of this name lies that is made of a tile."""
        folder = self.tiles_folder if self.tries is None else self.validation_folder
        return place(folder, tile.box.start, name)

    def tile_file(self, tile: Tile) -> Path:
        """HDF5 with dataset `segmentation`, uint32 over the tile's box."""
        return self._in_place(tile, f"{self.stem(tile)}.h5")

    def segmented_file(self, tile: Tile) -> Path:
        """What the volume is made of: as `tile_file`, but the consensus where there are several passes."""
        consensus = place(self.tiles_folder, tile.box.start, f"{tile.name}.consensus.h5")
        return consensus if self.config.inference.passes else self.tile_file(tile)

    def tile_checkpoint_file(self, tile: Tile) -> Path:
        """State of a tile in progress; gone once the tile is finished."""
        return self._in_place(tile, f"{self.stem(tile)}.checkpoint.h5")

    @property
    def markers_folder(self) -> Path:
        """A file of its name for each tile at work, and for nothing else: few, however large the run is."""
        return self.logs_folder / "at_work"

    def tile_marker(self, tile: Tile) -> Path:
        """There while the tile is being segmented, and after its worker was killed."""
        return self.markers_folder / self.stem(tile)

    @property
    def tile_logs_folder(self) -> Path:
        """The logs of all tiles that were ever begun."""
        return self.logs_folder / "tiles"

    def tile_log(self, tile: Tile) -> Path:
        """One JSON object a line: progress of one tile."""
        return place(self.tile_logs_folder, tile.box.start, f"{self.stem(tile)}.jsonl")

    @property
    def inference_box(self) -> Box:
        box = self.config.inference.box
        assert box is not None, "a resolved configuration has an inference box"
        return box

    @property
    def engine_file(self) -> Path:
        """Sealed JSON: what the first worker that segmented a tile pinned as the run's engine."""
        return self.tiles_folder / "engine.json"

    @property
    def inference(self) -> Inference:
        """The settings of inference, with the engine and precision to which the run is pinned."""
        return self.pin.applied_to(self.config.inference) if self.pin else self.config.inference

    @property
    def normalisation(self) -> tuple[float, float]:
        """Mean and standard deviation of the image's voxels, as the network is shown them."""
        mean, stddev = self.config.data.image_mean, self.config.data.image_stddev
        assert mean is not None, "a resolved configuration has an image mean"
        assert stddev is not None, "a resolved configuration has an image stddev"
        return mean, stddev

    @property
    def trained_on(self) -> list[Run]:
        """The run as it would be if each volume that it trains on were its own; its own is the first."""
        return [self, *(self._on(index) for index in range(len(self.config.training.volumes)))]

    def _on(self, index: int) -> Run:
        volume = self.config.training.volumes[index]
        training = self.config.training.model_copy(update={"box": volume.box, "volumes": ()})
        config = self.config.model_copy(update={"data": volume.data, "training": training})
        ending = f" of training.volumes.{index}"
        identities = {k.removesuffix(ending): v for k, v in self.identities.items() if k.endswith(ending)}
        return replace(self, config=config, identities=identities)

    @property
    def passes(self) -> list[Run]:
        """The run as it is for each segmentation of its tiles: itself, unless inference.passes says more."""
        numbers = range(1, len(self.config.inference.passes) + 1)
        return [self._in_pass(number) for number in numbers] or [self]

    def _in_pass(self, number: int) -> Run:
        chosen = self.config.inference.passes[number - 1]
        nth_pass = None if chosen == Pass() else number
        changes = chosen.model_dump(exclude={"checkpoint"}, exclude_none=True)
        inference = self.config.inference.model_copy(update={**changes, "passes": ()})
        network = self.config.network.model_copy(
            update={"checkpoint": chosen.checkpoint or self.config.network.checkpoint}
        )
        config = self.config.model_copy(update={"inference": inference, "network": network})
        return replace(self, config=config, nth_pass=nth_pass, has_own_network=chosen.checkpoint is not None)

    @property
    def trials(self) -> list[Run]:
        """A run over the validation box for each network that is tried, with the run's settings: it has one
        tile and one pass."""
        return [self._trying(fovs) for fovs in self.config.training.tried_after if self.config.trains]

    def _trying(self, fovs: int) -> Run:
        box = self.config.training.validation_box
        assert box is not None, "networks are tried on a box"
        inference = {"box": box, "tile": box.shape, "overlap": (0, 0, 0), "passes": ()}
        updates: dict[str, Section] = {
            "inference": self.config.inference.model_copy(update=inference),
            "evaluation": self.config.evaluation.model_copy(update={"box": box, "exclude": None}),
        }
        return replace(self, config=self.config.model_copy(update=updates), tries=fovs, only=None)

    @property
    def floods(self) -> list[tuple[Run, Tile]]:
        """Each tile to segment with each of `passes`, in the order in which they are tasks."""
        return [(one, tile) for one in self.passes for tile in one.tiles]

    @property
    def grid(self) -> TileGrid:
        inference = self.config.inference
        return TileGrid(self.inference_box, inference.tile, inference.overlap)

    @property
    def tiles(self) -> list[Tile]:
        """The tiles to segment, in order of index."""
        return [tile for tile in self.grid if self.only is None or tile.index in self.only]


def _after(fovs: int) -> str:
    """What the names of files have of a network that was tried."""
    return f"fovs{fovs:012d}"
