"""Proposal: the keys of a run file for a user's volume, each with the reason for its value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from pipeline.config import Network, RunConfig, Training
from pipeline.ffn.patch import patch_radius
from pipeline.ffn.trained_with import is_near, read_trained_with, trained_on
from pipeline.geometry import Box
from pipeline.results.hdf5_file import reading_hdf5
from pipeline.run_folder import Run
from pipeline.settings.fields import sections_text
from pipeline.settings.resolve import refuse_smaller_than_fov
from pipeline.settings.run_file import read_config
from pipeline.settings.scored import seen_in_training
from pipeline.volumes import labelled_sections_by_name
from pipeline.volumes.absence import absence
from workflows.command_line import RUN_FILES
from workflows.proposing.given import read_given
from workflows.proposing.look import Image, Truth, look_at_image, look_at_truth
from workflows.proposing.sizes import (
    LEAST_FOV,
    fov_for,
    fov_to_train,
    overlap_of,
    split,
    tile_bytes,
    tile_for,
)

MODEL = "fib25_train.yaml"
"""The run file whose network and training are proposed: hours on a workstation, not weeks."""

NO_NETWORK = "there is no truth to train on: set network.checkpoint to a trained network"


@dataclass
class Proposal:
    """`document` is that of a run file, `remarks` say why its keys are as they are, `found` what was seen."""

    document: dict[str, Any]
    found: list[str]
    remarks: dict[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether it names what a run cannot do without: a network, or labels to train one."""
        return bool(self.document["data"].get("labels") or self.document["network"].get("checkpoint"))

    def put(self, key: str, value: Any, remark: str = "") -> None:
        """Set a key, unless the user has; what the user sets needs no remark."""
        *sections, name = key.split(".")
        inner = self.document
        for section in sections:
            inner = inner.setdefault(section, {})
        if name not in inner:
            inner[name] = value
            self.remarks[key] = remark


def propose(image: str, truth: str | None, overrides: list[str]) -> Proposal:
    """A run file for the image at a uri, and the labels at another; `overrides` are set as `--set` sets them.

    Raises InputError.
    """
    given = read_given(image, truth, overrides)
    run = Run(Path(), given)
    model = read_config(RUN_FILES / MODEL)
    seen = look_at_image(run)
    proposal = Proposal(given.model_dump(mode="json", exclude_unset=True), seen.lines())
    labels = None
    if truth:
        run, labels = _put_sections(proposal, run, model.training.sampling.boundary_distance)
        given = run.config
        proposal.found.append(labels.line())
    _put_data(proposal, run, seen)
    network = _put_network(proposal, given, model, seen, labels)
    box = seen.volume.box
    if labels is not None and given.trains:
        box = _put_training(proposal, given, model.training, network, labels)
    _put_inference(proposal, given, network, box, seen.volume.box)
    if labels is not None and given.network.checkpoint is not None:
        _put_unseen(proposal, run, network, labels)
    _put_missing(proposal, seen)
    return proposal


def _put_sections(proposal: Proposal, run: Run, boundary_distance: int) -> tuple[Run, Truth]:
    """Propose which sections are labelled, where only some are, by the numbers of slices or by what is in
    them; returns the run with these, and its labels."""
    given, why = run.config, "By the numbers of the slices of image and labels."
    sections = labelled_sections_by_name(run)
    if sections is None:
        labels = look_at_truth(run, boundary_distance)
        if given.data.labelled_sections is not None or not labels.are_single:
            return run, labels
        sections, why = sections_text(labels.sections), "There are no labels in the others."
    proposal.put("data.labelled_sections", sections, why)
    data = given.data.model_copy(update={"labelled_sections": sections})
    run = replace(run, config=given.model_copy(update={"data": data}))
    return run, look_at_truth(run, boundary_distance)


def _put_data(proposal: Proposal, run: Run, seen: Image) -> None:
    """Propose how the image is normalised: as measured; or as the network was trained, if that may do, or if
    it was trained on this very image."""
    values = measured = seen.intensity.mean, seen.intensity.stddev
    whys = f"Here {seen.measured}.", "Measured on the same voxels."
    checkpoint = run.config.network.checkpoint
    trained = read_trained_with(checkpoint) if checkpoint else None
    if checkpoint and trained:
        here = [one.normalisation for one in trained_on(run, checkpoint)]
        near = [own for own in trained.normalisations if is_near(own, measured)]
        values = next((own for own in [*here, *near] if own is not None), measured)
    if values != measured:
        whys = f"As the network was trained; {measured[0]:g} was measured.", f"And here {measured[1]:g}."
    for name, value, why in zip(("image_mean", "image_stddev"), values, whys):
        proposal.put(f"data.{name}", value, why)


def _put_missing(proposal: Proposal, seen: Image) -> None:
    """Propose to go on where some of the image is missing, as much of it as the run's boxes lack."""
    if seen.missing is None or not seen.missing.missing:
        return
    boxes = [proposal.document.get(section, {}).get("box") for section in ("training", "inference")]
    share = max(absence(seen.volume, Box.parse(box)).share for box in boxes if box)
    if share:
        remark = f"Here {seen.lacking}: better complete it, or see replace_sections."
        proposal.put("data.max_missing", min(1.0, math.ceil(share * 100) / 100), remark)


def _put_network(
    proposal: Proposal, given: RunConfig, model: RunConfig, seen: Image, labels: Truth | None
) -> Network:
    """Propose the network's sizes; returns it as it then is."""
    size = seen.volume.voxel_size_nm
    source = given.network.checkpoint or given.training.start_from
    if source is not None:
        network, why = _trained(given.network, Path(source)), f"That of {source}."
    elif "fov" in given.network.model_fields_set:
        network, why = given.network, ""
    else:
        room = labels.box.shape if labels else seen.volume.shape
        chosen = fov_to_train if labels else fov_for
        fov, deltas = chosen(max(model.network.fov), size, room, model.training.reach)
        network = model.network.model_copy(update={"fov": fov, "deltas": deltas})
        why = "As many nm along every axis, as far as there is room."
        for axis, length, there in zip("zyx", fov, room):
            if length < LEAST_FOV:
                proposal.found.append(
                    f"doubt      network.fov: along {axis} {there} voxels have room for {length}, by which "
                    "hardly a neurite can be followed: label a thicker part"
                )
        if size is None:
            why = "For voxels as long along every axis: their size is unknown, so set data.voxel_size_nm."
            proposal.found.append(f"doubt      network.fov: {why[0].lower()}{why[1:-1]}")
    proposal.put("network.fov", list(network.fov), why)
    proposal.put("network.deltas", list(network.deltas))
    proposal.put("network.depth", network.depth)
    proposal.put("network.features", network.features)
    if network.normalisation != "none":
        proposal.put("network.normalisation", network.normalisation)
    if labels is None:
        proposal.put("network.checkpoint", None, f"TO DO: {NO_NETWORK}, or data.labels.")
    return network


def _trained(given: Network, path: Path) -> Network:
    """The network in a file; one that does not say its sizes has those that are set, or published."""
    trained = read_trained_with(path)
    if trained is None:
        return given
    with reading_hdf5(path) as file:
        sizes: dict[str, Any] = {
            name: int(file.attrs[name]) for name in ("depth", "features") if name in file.attrs
        }
        if "normalisation" in file.attrs:
            sizes["normalisation"] = str(file.attrs["normalisation"])
    return given.model_copy(update={"fov": trained.fov, "deltas": trained.deltas, **sizes})


def _put_training(
    proposal: Proposal, given: RunConfig, model: Training, network: Network, labels: Truth
) -> Box:
    """Propose where and how to train; returns where to segment."""
    is_set = "moves_reach" in given.training.model_fields_set
    training, held_back = split(labels.box, network, given.training.reach if is_set else model.reach)
    if held_back is None:
        why = "All that is labelled: too little to hold a part back, so scores are of what training saw."
        proposal.found.append(f"doubt      training.box: {why[0].lower()}{why[1:-1]}")
        segmented = (given.inference.box or labels.box) & labels.box
        if not segmented.is_empty:
            seen = "What training saw, which would be left out else: there is nothing else to score."
            proposal.put("evaluation.box", str(segmented), seen)
    else:
        why = f"The first part of what is labelled, {labels.box}; the rest is held back to be scored."
    proposal.put("training.box", str(training), why)
    proposal.remarks["training"] = f"But for the box and the radius, as in configs/{MODEL}."
    for name in [name for name in type(model).model_fields if name in model.model_fields_set]:
        if name not in ("box", "sampling"):
            proposal.put(f"training.{name}", getattr(model, name))
    _put_sampling(proposal, given, model, network, labels)
    return held_back or labels.box


def _put_sampling(
    proposal: Proposal, given: RunConfig, model: Training, network: Network, labels: Truth
) -> None:
    """Propose where examples are centred, and of which objects, so that the labels have some."""
    radius = [max(1, round(r * f / max(network.fov))) for r, f in zip(model.sampling.radius, network.fov)]
    proposal.put("training.sampling.radius", radius, "As long along every axis as the FOV is there.")
    if labels.looked_at == 1 and labels.usual < 2 * given.training.sampling.min_segment_voxels:
        least = 10 ** int(math.log10(max(1, labels.usual // 10)))
        why = "Four fifths of what is labelled are of objects more than ten times as large."
        proposal.put("training.sampling.min_segment_voxels", least, why)
    is_thin = labels.boundary_distance < model.sampling.boundary_distance
    why = "Labels are single sections: no voxel of them keeps a distance." if is_thin else ""
    proposal.put("training.sampling.boundary_distance", labels.boundary_distance, why)


def _put_unseen(proposal: Proposal, run: Run, network: Network, labels: Truth) -> None:
    """Propose to leave out of the scores what the network was trained on, if that is one box, and leaves
    anything: of others the plan warns."""
    seen = seen_in_training(run)
    if len(seen) != 1 or run.config.evaluation.box is not None:
        return
    around = labels.box & seen[0].grow(patch_radius(network, Training().reach))
    if not around.is_empty and around != labels.box:
        why = f"The network was trained on {seen[0]}: there, and a patch around, scores would be too good."
        proposal.put("evaluation.exclude", str(around), why)


def _put_inference(proposal: Proposal, given: RunConfig, network: Network, proposed: Box, image: Box) -> None:
    """Propose what to segment, and in which tiles. Raises InputError where the FOV is larger than that."""
    why = f"What is labelled and was held back: a first run that can be judged. The whole image is {image}."
    proposal.put("inference.box", str(proposed), "The whole image." if proposed == image else why)
    box, workers = given.inference.box or proposed, given.site.workers
    share = psutil.virtual_memory().total / workers
    refuse_smaller_than_fov(box, network)
    own, is_set = given.inference, given.inference.model_fields_set
    if "tile" in is_set:
        tile, overlap = own.tile, overlap_of(own.tile, network.fov)
    else:
        tile, overlap = tile_for(
            box, network.fov, workers, share, own.overlap if "overlap" in is_set else None
        )
    memory = f"{tile_bytes(tile, network.fov) / 1e9:.1f} GB a worker; this machine has {share / 1e9:.0f} GB"
    proposal.put("inference.tile", list(tile), f"{memory} for each of {workers} (site.workers).")
    proposal.put("inference.overlap", list(overlap), "One and a half FOVs, as far as tiles share anything.")
