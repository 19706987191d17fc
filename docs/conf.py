"""How Sphinx builds the documentation: `make docs`.

The source folder is the repository itself, so that the Markdown pages link to each other and to files in the
same way here and where the repository is read. README.md is the first page, and its tables are the table of
contents.
"""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

project = "FFN pipeline"
copyright = "the authors of the FFN pipeline, Apache 2.0"
root_doc = "README"
include_patterns = ["*.md", "docs/**", "pipeline/**/README.md"]
exclude_patterns = [".*", "build", "dist", "runs", "tests", "configs", "benchmarks", "**/__pycache__"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "docs.generator.contents",
    "docs.generator.links",
    "docs.generator.settings",
    "docs.generator.api",
]
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]

default_role = "code"
highlight_language = "none"
autodoc_member_order = "bysource"
toc_object_entries = False  # else every page has the names of all functions beside it
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False  # those of other libraries are written in other ways
suppress_warnings = ["ref.python"]  # a signature may name a class by a name that two classes have
autodoc_mock_imports = [
    "torch",
    "cloudfiles",
    "cloudvolume",
    "horovod",
    "keras",
    "openvino",
    "tensorflow",
    "tensorstore",
]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
