"""The text that a fence agent reads on its standard input, and the same without its secrets.

FenceAgentAPI, "What is given to fencing agents": one `name=value` a line, no spaces in the name, no
newline in the value. Parameters are passed this way because a command line can be read by every
user of the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the cluster reads itself; the agent never sees it.
OWN_PREFIXES: Final = ("pcmk_", "ninefold_", "CRM_meta_", "stonith-")
OWN_NAMES: Final = ("provides", "crm_feature_set", "OCF_CHECK_LEVEL")
# In the meta attributes of a call that a fencer makes (its value is the target): `action` is then
# the agent's own word. Elsewhere start, stop and monitor are those of the device as a resource.
FENCING_META: Final = "ninefold-fencing"
_SECRET_PARTS: Final = ("passw", "passwd", "secret", "token", "apikey", "api_key", "community")
_SECRET_ENDS: Final = ("key", "privpass", "credentials")
HIDDEN: Final = "******"


class BadFenceParameterError(ValueError):
    """A parameter that the agent's input format cannot carry."""


def own(name: str) -> bool:
    """Tell whether a parameter is the cluster's, not the agent's."""
    return name.startswith(OWN_PREFIXES) or name in OWN_NAMES


def agent_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that the agent itself takes."""
    return {name: value for name, value in parameters.items() if not own(name)}


def stdin_text(action: str, parameters: Mapping[str, str]) -> str:
    """Return what the agent reads. Raises `BadFenceParameterError`.

    A configured `action` or `option` never overrides the action asked for.
    """
    given = agent_parameters(parameters)
    pairs = {"action": action} | {
        name: value for name, value in given.items() if name not in {"action", "option"}
    }
    for name, value in pairs.items():
        _check(name, value)
    return "".join(f"{name}={value}\n" for name, value in pairs.items())


def _check(name: str, value: str) -> None:
    if not name or any(mark in name for mark in " \t\n=\0") or name.startswith("#"):
        raise BadFenceParameterError(f"{name!r} cannot be the name of a fence agent's parameter")
    if "\n" in value or "\0" in value:
        raise BadFenceParameterError(f"the value of {name} is more than one line")


def redacted(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters fit for a log: what may be a secret is hidden, paths are not.

    `passwd_script`, `identity_file` and the like name files; the file keeps the secret.
    """
    return {
        name: HIDDEN if value and _secret(name.lower()) else value
        for name, value in parameters.items()
    }


def _secret(name: str) -> bool:
    if name.endswith(("_script", "_file", "_path")):
        return False
    return any(part in name for part in _SECRET_PARTS) or name.endswith(_SECRET_ENDS)
