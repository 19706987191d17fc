"""Skeletons of labels by kimimaro (TEASAR): what all who make some have in common."""

from __future__ import annotations

from types import ModuleType

from pipeline.errors import InputError

LEAST_VOXELS = 1000
"""Smaller objects have no skeleton."""

TEASAR = {
    "scale": 1.5,
    "const": 300,
    "pdrf_scale": 100_000,
    "pdrf_exponent": 4,
    "soma_detection_threshold": 750,
    "soma_acceptance_threshold": 3500,
    "soma_invalidation_scale": 2,
    "soma_invalidation_const": 300,
}
"""kimimaro's own; lengths are in nm."""


def kimimaro_or_mend(otherwise: str = "name a file of skeletons") -> ModuleType:
    """The package. Raises InputError where it is not installed, which says what to do `otherwise`."""
    try:
        import kimimaro
    except ImportError as error:
        raise InputError(
            f"skeletons are made from labels by kimimaro, which cannot be imported ({error}): "
            f"pip install 'kimimaro>=5.8', or {otherwise}"
        ) from None
    return kimimaro
