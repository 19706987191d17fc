"""RunConfig: the one validated document that describes a run.

Each of its sections is one part of the YAML file, in a module of pipeline/settings that is named for it; the
defaults there are the only ones there are. Unknown keys are refused, and the error names the nearest key that
exists.
"""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from pipeline.ffn.flood_rules import FloodRules
from pipeline.geometry import Triple
from pipeline.settings.agglomeration import Agglomeration
from pipeline.settings.augmentation import Augmentation
from pipeline.settings.data import SECTIONS, Data, Phantom
from pipeline.settings.evaluation import FROM_LABELS, Evaluation
from pipeline.settings.fields import Section, Seed
from pipeline.settings.inference import Inference, Precision, Preset
from pipeline.settings.network import Network
from pipeline.settings.reconciliation import Reconciliation
from pipeline.settings.sampling import Sampling
from pipeline.settings.sections import FromSections
from pipeline.settings.site import Site
from pipeline.settings.training import Training

__all__ = [
    "Agglomeration",
    "Augmentation",
    "Data",
    "Evaluation",
    "Inference",
    "Network",
    "Phantom",
    "Precision",
    "Preset",
    "Reconciliation",
    "RunConfig",
    "Sampling",
    "Site",
    "Training",
]


class RunConfig(Section):
    """Everything that decides what a run computes and where."""

    seed: Seed = 1
    """Decides the first weights of the network, and which examples it is shown."""
    data: Data = Data()
    sections: FromSections | None = None
    """Images of sections, of which the run makes its image where data.image is `sections`: tiles, montage,
    alignment and volume as `ffn align` has them, docs/sections.md. tiles.table is looked up in data.folder,
    without one in the run file's folder."""
    network: Network = Network()
    training: Training = Training()
    inference: Inference = Inference()
    reconciliation: Reconciliation = Reconciliation()
    agglomeration: Agglomeration = Agglomeration()
    evaluation: Evaluation = Evaluation()
    site: Site = Site()
    gates: tuple[str, ...] = ()
    """Stages, by the names that status has, whose results a person is to judge before anything that depends
    on them is begun: docs/gates.md."""

    @model_validator(mode="before")
    @classmethod
    def _floods_alike(cls, given: Any) -> Any:
        """Rules of flooding that are given for training alone are inference's too."""
        if not isinstance(given, dict):
            return given
        training, inference = given.get("training"), given.get("inference") or {}
        if not isinstance(training, dict) or not isinstance(inference, dict):
            return given
        rules = {name: training[name] for name in vars(FloodRules()) if name in training}
        return {**given, "inference": {**rules, **inference}} if rules else given

    @model_validator(mode="after")
    def _fit_the_network(self) -> RunConfig:
        inference, fov = self.inference, self.network.fov
        for axis, tile, overlap, f in zip("zyx", inference.tile, inference.overlap, fov):
            if tile < f:
                raise ValueError(
                    f"inference.tile is {tile} along {axis}, smaller than the network.fov of {f}"
                )
            if overlap >= tile:
                raise ValueError(
                    f"inference.overlap is {overlap} along {axis}; it must be less than the tile, {tile}"
                )
        steps_of = {"deltas": self.inference_deltas, "min_boundary_dist": inference.min_boundary_dist}
        steps_of |= {f"passes.{i}.deltas": one.deltas for i, one in enumerate(inference.passes) if one.deltas}
        for name, steps in steps_of.items():
            if any(step > f // 2 for step, f in zip(steps, fov)):
                raise ValueError(
                    f"inference.{name} {list(steps)} must be at most half the network.fov {list(fov)}"
                )
        return self

    @model_validator(mode="after")
    def _looks_at_both_segments(self) -> RunConfig:
        radius, fov = self.agglomeration.radius, self.network.fov
        if radius is None or not self.agglomeration.enabled:
            return self
        centred = [r - f // 2 for r, f in zip(radius, fov)]
        if min(centred) < 0 or max(centred) == 0:
            raise ValueError(
                f"agglomeration.radius {list(radius)} must be at least half the network.fov {list(fov)}, and "
                "more along some axis: else FOVs are centred nowhere in both of two segments, and none are "
                "joined"
            )
        return self

    @model_validator(mode="after")
    def _has_sections(self) -> RunConfig:
        data = self.data
        if (data.image == SECTIONS) != (self.sections is not None):
            given = "none" if self.sections is None else "some"
            raise ValueError(
                f"data.image is {data.image}, and of sections there are {given}: `data.image: {SECTIONS}` "
                "and `sections:` with the tiles go together"
            )
        if self.sections is None:
            return self
        if data.labels == "phantom":
            raise ValueError("data.labels is phantom, which is no truth of sections; name labels, or none")
        for name in ("mip", "channel", "axes", "origin"):
            if getattr(data, name) != Data.model_fields[name].default:
                raise ValueError(
                    f"data.{name} is {getattr(data, name)}; leave it out, the run makes its image itself"
                )
        return self

    @model_validator(mode="after")
    def _has_a_mask_to_score_within(self) -> RunConfig:
        if self.evaluation.within_mask and self.data.mask is None:
            raise ValueError("evaluation.within_mask is true, but there is no mask: set data.mask")
        return self

    @model_validator(mode="after")
    def _has_labels_to_trace(self) -> RunConfig:
        if self.evaluation.skeletons == FROM_LABELS and self.data.labels is None:
            raise ValueError(
                f"evaluation.skeletons is {FROM_LABELS}, but there are none: set data.labels, or a path"
            )
        return self

    @property
    def trains(self) -> bool:
        """Whether the run trains its network, rather than using a checkpoint."""
        return not self.network.checkpoint

    @property
    def inference_deltas(self) -> Triple:
        """Step of the FOV in inference, in voxels."""
        return self.inference.deltas or self.network.deltas
