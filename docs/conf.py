"""How the documentation is built: MyST pages, furo, and reference tables made from the source."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Ninefold"
author = "the Ninefold contributors"
copyright = "the Ninefold contributors, GPL-2.0-or-later"

extensions = ["myst_parser", "sphinx.ext.doctest", "generated_tables"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Ninefold"
html_show_sphinx = False
