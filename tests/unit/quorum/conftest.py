"""The same ideal ring as for the laws."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_SOURCE = Path(__file__).parents[2] / "properties" / "quorum" / "conftest.py"
_spec = importlib.util.spec_from_file_location("quorum_cluster", _SOURCE)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
cluster_of = _module.cluster_of
