"""Where only some sections are labelled, the report shows the truth in one of these."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import RunConfig
from pipeline.report.slices import sections
from pipeline.run_folder import Run


@pytest.mark.parametrize(("labelled", "shown"), [(None, 20), ("3:40:7", 17), ("0, 33", 33), ("2:5", 20)])
def test_the_section_that_is_shown_is_a_labelled_one_if_there_is_one(
    labelled: str | None, shown: int, tmp_path: Path
) -> None:
    document = {
        "data": {"image": "em.npy", "labels": "ids.npy", "labelled_sections": labelled},
        "inference": {"box": "8:32,0:40,0:40"} if labelled == "2:5" else {"box": "0:40,0:40,0:40"},
    }
    wanted = sections(Run(tmp_path, RunConfig.model_validate(document)), has_segments=False)
    at = {facts["plane"]: facts["at"] for facts in wanted}
    assert at == {"yx": shown, "zx": 20, "zy": 20}
