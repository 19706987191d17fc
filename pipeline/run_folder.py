"""Run: a resolved configuration and the folder of its results, as a whole and in its passes and trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from pipeline.config import Inference, RunConfig
from pipeline.geometry import Box, Tile, Triple
from pipeline.results.artifacts import Artifact, Parts, combined
from pipeline.results.bucket import Bucket
from pipeline.results.folders import place
from pipeline.run_files import RunFiles, after
from pipeline.settings.data import SECTIONS
from pipeline.settings.engine_pin import EnginePin
from pipeline.settings.fields import Section
from pipeline.settings.inference import Pass
from pipeline.tile_grid import TileGrid


@dataclass(frozen=True)
class Run(RunFiles):
    """What every task is given: small, picklable, and enough to find everything else.

    The configuration is resolved: its boxes are set and its paths are absolute.
    """

    config: RunConfig
    identities: Mapping[str, str] = field(default_factory=dict)
    """What `image` and `labels` are, as `pipeline.settings.input_identities` found when the run began."""
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each volume that is read what was found when the run began, as a `Known` of
    `pipeline.settings.input_identities`."""
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
    aligned: Box | None = None
    """Where the image lies that the run makes of sections; None: it makes none of them."""
    keeps_moves: bool = False
    """Whether its training goes on by moves that are no default any more and the run file leaves open."""
    pin: EnginePin | None = None
    """What the finished tiles were made by, and all others are; None where the first worker is yet to say."""

    @property
    def uses_phantom(self) -> bool:
        """Whether the run makes its own input."""
        return "phantom" in (self.config.data.image, self.config.data.labels)

    @property
    def makes_image(self) -> bool:
        """Whether the image is not there before the run."""
        return self.config.data.image in ("phantom", SECTIONS)

    def image_identity(self, box: Box, blocks: Sequence[Artifact] = ()) -> str:
        """What the image is: what it was when the run began or, where the run makes it of sections, what
        the `blocks` of it hold that are read, and which sections of `box` are shown in place of others."""
        if not blocks:
            return self.identities["image"]
        (start, *_), (stop, *_) = box.start, box.stop
        lost = sorted(pair for pair in self.config.data.replace_sections.items() if start <= pair[0] < stop)
        return f"blocks {combined(blocks)}" + (f" sections {lost}" if lost else "")

    @property
    def model_file(self) -> Path:
        """The network that inference uses, trained or imported."""
        name = f"ffn.pass{self.nth_pass}.h5" if self.has_own_network else "ffn.h5"
        return self.folder / "model" / name

    @property
    def try_file(self) -> Path:
        """JSON: the scores of the network that this run tries."""
        assert self.tries is not None, "only a run that tries a network has scores of it"
        return self.validation_folder / f"{after(self.tries)}.json"

    @property
    def final_table_file(self) -> Path:
        """That by which the volume is written."""
        corrects = self.config.reconciliation.corrections is not None
        return self.corrected_table_file if corrects else self.id_table_file

    @property
    def volume(self) -> Parts:
        """Where the segmentation lies: in the run folder, or in the bucket that data.output names."""
        output = self.config.data.output
        return self.segmentation_folder.absolute() if output is None else Bucket(output)

    @property
    def volume_uri(self) -> str:
        """What opens it."""
        return f"precomputed://{self.volume}"

    def stem(self, tile: Tile) -> str:
        """The name of a tile's files, without their endings."""
        if self.tries is not None:
            return f"{tile.name}.{after(self.tries)}"
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

    def tile_marker(self, tile: Tile) -> Path:
        """There while the tile is being segmented, and after its worker was killed."""
        return self.markers_folder / self.stem(tile)

    def tile_log(self, tile: Tile) -> Path:
        """One JSON object a line: progress of one tile."""
        return place(self.tile_logs_folder, tile.box.start, f"{self.stem(tile)}.jsonl")

    @property
    def inference_box(self) -> Box:
        box = self.config.inference.box
        assert box is not None, "a resolved configuration has an inference box"
        return box

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

    def has_the_image_of(self, other: Run) -> bool:
        """Whether the images are one, by their name, or by their voxels wherever these are read."""
        known = self.identities.get("image")
        return self.config.data.names_the_image_of(other.config.data) or (
            known is not None and known == other.identities.get("image")
        )

    @property
    def trained_on(self) -> list[Run]:
        """The run as it would be if each volume that it trains on were its own; its own is the first."""
        return [self, *(self._on(index) for index in range(len(self.config.training.volumes)))]

    def _on(self, index: int) -> Run:
        volume = self.config.training.volumes[index]
        own = {"box": volume.box, "validation_box": None, "volumes": ()}
        training = self.config.training.model_copy(update=own)
        config = self.config.model_copy(update={"data": volume.data, "training": training})
        ending = f" of training.volumes.{index}"
        identities = {k.removesuffix(ending): v for k, v in self.identities.items() if k.endswith(ending)}
        return replace(self, config=config, identities=identities, aligned=None)

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
        return _grid(self.inference_box, inference.tile, inference.overlap)

    @property
    def tiles(self) -> list[Tile]:
        """The tiles to segment, in order of index."""
        return [tile for tile in self.grid if self.only is None or tile.index in self.only]


@lru_cache(maxsize=8)
def _grid(box: Box, tile: Triple, overlap: Triple) -> TileGrid:
    """Kept, and with it its tiles: every task of a large run asks for it."""
    return TileGrid(box, tile, overlap)
