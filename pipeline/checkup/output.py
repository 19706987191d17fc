"""Whether the segmentation can be written where the run file wants it, if that is a bucket."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip
from pipeline.reconciliation.whose import refuse_foreign
from pipeline.results.bucket import Bucket
from pipeline.run_folder import Run


def output(run: Run) -> Finding:
    """An object is written and deleted again; what is there must be the run's. Raises InputError."""
    bucket = run.volume
    if not isinstance(bucket, Bucket):
        return skip("data.output is not set: the segmentation is written into the run folder")
    bucket.try_out()
    refuse_foreign(run, bucket)
    return ok(f"written, read and deleted an object in {bucket}, where the segmentation will be")
