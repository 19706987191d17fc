"""The tiles that an attempt segments, as its driver follows them: only those at work are looked at."""

from __future__ import annotations

from pipeline.geometry import Tile
from pipeline.results.unreadable import names_in
from pipeline.run_folder import Run
from workflows.watching.long_tasks import Share, Work, read_tile_log


class TilesAtWork:
    """Adds up what is done of the tiles of a run that are segmented in this attempt.

    Only tiles at work have their logs read: each has a marker. A log that is finished is read once more.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._floods = run.floods
        self._left = {one.stem(tile): (one, tile) for one, tile in self._floods}
        self._begun: dict[str, Work] = {}
        """By name, as last seen: a tile whose file is being published has no marker any more."""
        self._restored: dict[str, float] = {}
        """By name, the part of a tile that older attempts had done: what a checkpoint brings that was made in
        this one, as each job of a tile longer than a job makes it, is this one's work."""
        self._finished = Work()
        self.count = len(self._floods)
        """How many are segmented in this attempt, as far as is known: reused and failed ones do not count."""
        self.began: float | None = None
        """When the first of them was, in seconds since 1970: before that their jobs may wait for long."""

    def end(self, index: int, since: float, counts: bool) -> None:
        """Note that the task of a tile has ended, and whether it was segmented in this attempt.

        Reports from before `since`, seconds since 1970, are of an older one.
        """
        one, tile = self._floods[index]
        del self._left[one.stem(tile)]
        self._begun.pop(one.stem(tile), None)
        if not counts:
            self.count -= 1
            return
        share = self._share(one, tile, since) or Share()
        self._restored.pop(one.stem(tile), None)
        self._finished += Work.of(share._replace(done=1.0), tile.box.size)

    def look(self, since: float) -> Work:
        """What is done of all tiles, by the reports after `since`, seconds since 1970. Raises Unreadable."""
        for name in names_in(self._run.markers_folder):
            if name not in self._left:
                continue
            one, tile = self._left[name]
            share = self._share(one, tile, since)
            if share:
                self._begun[name] = Work.of(share, tile.box.size)
        return sum(self._begun.values(), self._finished)

    def _share(self, one: Run, tile: Tile, since: float) -> Share | None:
        report, name = read_tile_log(one.tile_log(tile), since), one.stem(tile)
        if report is None:
            return None
        self.began = min(self.began or report.began, report.began)
        restored = min(self._restored.get(name, 1.0), report.share.restored)
        self._restored[name] = restored
        return report.share._replace(restored=restored)
