"""Digests of an operation's parameters: how a change of configuration is noticed.

The digest is the MD5 of one canonical line, as Pacemaker records it in the history, so that a
history written by either is understood by the other (section 10).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Tells what runs in a bundle the address under which others find it.
EXTERNAL_IP: Final = "pcmk_external_ip"

_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
)


def operation_digest(
    parameters: Mapping[str, str], *, interval_ms: int = 0, timeout_ms: int = 0
) -> str:
    """Return the `op-digest` of an operation run with `parameters`.

    Names that begin with `CRM_meta_` do not count, nor does what a bundle tells of itself; the timeout counts for
    recurring operations only.
    """
    counted = {
        name: value
        for name, value in parameters.items()
        if not name.startswith("CRM_meta_") and name != EXTERNAL_IP
    }
    if interval_ms > 0:
        counted["CRM_meta_timeout"] = str(timeout_ms)
    attributes = "".join(
        f' {name}="{counted[name].translate(_ESCAPES)}"' for name in sorted(counted)
    )
    line = f" <parameters{attributes}/>\n"
    return hashlib.md5(line.encode(), usedforsecurity=False).hexdigest()


def restart_digest(parameters: Mapping[str, str], names: str) -> str:
    """Return the `op-restart-digest`: only over the parameters listed in `op-force-restart`."""
    wanted = names.split()
    return operation_digest({k: v for k, v in parameters.items() if k in wanted})
