"""What lies in a TIFF file, by its headers: nothing of it may be left out without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile

from pipeline.errors import InputError
from pipeline.wording import counted

GREY = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.RGB)
"""The ways to store values that are read; colours are told from grey where the values are."""

ORIENTATION = 274
"""The tag of TIFF and of EXIF that says how an image is to be turned where it is shown."""


@contextmanager
def opened(path: Path, *, alone: bool = False) -> Iterator[tifffile.TiffFile]:
    """The TIFF file at `path`. `alone` leaves out the other files of the OME set that it may be part of.

    Raises InputError where it, or what is asked of it, cannot be read, and where its list of pages is torn.
    """
    try:
        with tifffile.TiffFile(path, is_ome=False if alone else None) as file:
            if _is_cut_off(file):
                raise InputError(f"{path} is cut off after {counted(len(file.pages), 'page')}; copy it again")
            yield file
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # what lies there may be anything, and pages are read when they are asked for
        raise InputError(
            f"{path} is not a readable TIFF: {' '.join(str(error).split())}; copy it again"
        ) from None


def only_series(file: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """The one image in `file`, opened from `path`; thumbnails and levels are none of their own.

    Raises InputError where there are more images, parts of it are not there, it is not stored as grey, or is
    to be shown turned.
    """
    images = [series for series in file.series if not series.keyframe.is_reduced]
    if len(images) != 1:
        shapes = ", ".join(str(series.shape) for series in images[:4])
        raise InputError(
            f"{path} holds {len(images)} images, of shapes {shapes}; expected one volume: save it alone"
        )
    _refuse_other_than_grey(images[0].keyframe, path)
    refuse_turned(images[0].keyframe.tags.valueof(ORIENTATION), path)
    absent = sum(page is None for page in images[0].pages)
    if absent:
        raise InputError(
            f"{path}: {absent} of its {len(images[0].pages)} pages are in files that are not there: "
            "copy them beside it"
        )
    return images[0]


def planes(series: tifffile.TiffPageSeries) -> int:
    """Number of images of the first page's size. ImageJ describes a stack of over 4 GB by its first alone."""
    return series.size // series.keyframe.size


def has_pages(path: Path) -> bool:
    """Whether the TIFF file at `path` holds more than one page by itself. Raises InputError."""
    with opened(path, alone=True) as file:
        return planes(only_series(file, path)) > 1


def refuse_sparse(pages: Iterable[tifffile.TiffPage | tifffile.TiffFrame | None], path: Path) -> None:
    """Raise InputError where strips or tiles of some pages of the file at `path` are left out.

    Programs that save space write none that are blank, and one that was stopped those it came to: tifffile
    gives 0 for both.
    """
    for page in pages:
        if page is not None and 0 in page.databytecounts:
            count = sum(not size for size in page.databytecounts)
            raise InputError(
                f"{path}: page {page.index} has no data for {count} of its {len(page.databytecounts)} strips "
                "or tiles: save it with all of them"
            )


def refuse_turned(orientation: int | None, path: Path) -> None:
    """Raise InputError where the tag of the image at `path` says to show it otherwise than it is stored.

    Viewers turn it, and what reads voxels mostly does not: what is meant by its rows and columns is unknown.
    """
    if orientation in range(2, 9):
        raise InputError(
            f"{path} is to be shown turned or mirrored: its orientation is {orientation}, expected 1, as it "
            "is stored; save it the way that it is to be read, without this tag"
        )


def files_of(series: tifffile.TiffPageSeries) -> list[Path]:
    """The files in which the pages of an image lie, by name: many where it is an OME set."""
    return sorted({Path(page.parent.filehandle.path) for page in series.pages if page is not None})


def _refuse_other_than_grey(page: tifffile.TiffPage, path: Path) -> None:
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        raise InputError(f"{path} is stored with 0 as white; save it with 0 as black")
    if page.photometric not in GREY:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(f"{path} is stored as {name}; save it as grey values")


def _is_cut_off(file: tifffile.TiffFile) -> bool:
    """Whether the list of pages has no end: behind the last of them a file says 0, or where the next is."""
    len(file.pages)  # so that tifffile goes through all of them
    position = file.pages.next_page_offset
    if position is None:
        return True
    file.filehandle.seek(position)
    end = file.filehandle.read(file.tiff.offsetsize)
    return len(end) < file.tiff.offsetsize or any(end)
