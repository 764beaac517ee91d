"""What an OCF resource agent is called with: one argument and an environment.

OCF resource agent API 1.1, "Parameter passing", with Pacemaker's `CRM_meta_*` additions, which the
distribution's agents read. The environment is built from nothing: an agent sees no variable of the
daemon's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from ninefold.agents.model import Call

API_MAJOR: Final = 1
API_MINOR: Final = 1
# What Debian 12's Pacemaker 2.1.5 announces; agents compare it to decide what they may expect.
CRM_FEATURE_SET: Final = "3.16.2"
SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The line on stderr by which an agent says in words why it failed (resource-agents, ocf_exit_reason).
EXIT_REASON_PREFIX: Final = "ocf-exit-reason:"
# A reason is shown in a table row and stored in the document.
REASON_CHARS_MAX: Final = 256


class BadParameterError(ValueError):
    """A parameter that no environment can carry."""


class Places(msgspec.Struct, frozen=True):
    """Where an agent finds and keeps things on its host; absolute paths.

    `tools` holds the commands that agents call back with, `socket` is the door of `node`, which
    answers them; "" where there are none.
    """

    ocf_root: str = "/usr/lib/ocf"
    temporary: str = "/run/resource-agents"
    run: str = "/run/ninefold"
    python: str = "/usr/bin/python3"
    tools: str = ""
    socket: str = ""
    node: str = ""


def arguments(path: str, call: Call) -> list[str]:
    """Return the command line: the action is the sole argument ("Execution syntax")."""
    return [path, call.action]


def meta_name(name: str) -> str:
    """`target-role` -> `CRM_meta_target_role`."""
    return f"CRM_meta_{name.replace('-', '_').replace('.', '_')}"


def environment(call: Call, places: Places) -> dict[str, str]:
    """Return the whole environment of `call`. Raises `BadParameterError`.

    A name with dashes or dots is passed as it is and, because a shell cannot read that, once more
    with underscores unless that name is taken.
    """
    result = {
        "PATH": SEARCH_PATH,
        "LC_ALL": "C",
        "OCF_ROOT": places.ocf_root,
        "OCF_RA_VERSION_MAJOR": str(API_MAJOR),
        "OCF_RA_VERSION_MINOR": str(API_MINOR),
        "OCF_RESOURCE_INSTANCE": call.resource,
        "OCF_RESOURCE_TYPE": call.agent.type,
        "OCF_RESOURCE_PROVIDER": call.agent.provider,
        "OCF_RESKEY_crm_feature_set": CRM_FEATURE_SET,
        "OCF_EXIT_REASON_PREFIX": EXIT_REASON_PREFIX,
        "HA_RSCTMP": places.temporary,
        # No syslog: what an agent says on stderr is captured, bounded and shown.
        "HA_logfacility": "none",
        "HA_LOGFACILITY": "none",
        "HA_debug": "0",
        "HA_cluster_type": "corosync",
        "PCMK_logfacility": "none",
        "PCMK_debug": "0",
        "NINEFOLD_RUN": places.run,
        "NINEFOLD_PYTHON": places.python,
    }
    result |= _callbacks(places)
    for name, value in sorted(call.parameters.items()):
        _check(name, value)
        result[f"OCF_RESKEY_{name}"] = value
    for name, value in sorted(call.parameters.items()):
        result.setdefault(f"OCF_RESKEY_{name.replace('-', '_').replace('.', '_')}", value)
    for name, value in sorted(_meta(call).items()):
        _check(name, value)
        result[f"OCF_RESKEY_{meta_name(name)}"] = value
    level = call.parameters.get("OCF_CHECK_LEVEL", call.meta.get("OCF_CHECK_LEVEL", "0"))
    result["OCF_CHECK_LEVEL"] = level
    return result


def _callbacks(places: Places) -> dict[str, str]:
    """Let an agent find the commands that ask its node, before those of anybody else."""
    found = {"NINEFOLD_SOCKET": places.socket, "NINEFOLD_NODE": places.node}
    if places.tools:
        # resource-agents look for them in HA_SBIN_DIR, others on the path.
        found |= {"HA_SBIN_DIR": places.tools, "PATH": f"{places.tools}:{SEARCH_PATH}"}
    return {name: value for name, value in found.items() if value}


def _meta(call: Call) -> dict[str, str]:
    """Return the meta attributes with those that every action has: name, interval, timeout (ms)."""
    given = {
        "name": call.action,
        "interval": str(call.interval_ms),
        "timeout": str(call.timeout_ms),
    }
    return {**given, **call.meta}


def _check(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name or "\n" in name:
        raise BadParameterError(f"{name!r} cannot be the name of a parameter")
    if "\0" in value:
        raise BadParameterError(f"the value of {name} contains a NUL byte")


def exit_reason(errors: str) -> str:
    """Return the last `ocf-exit-reason:` line of an agent's stderr, one bounded line, or ""."""
    for line in reversed(errors.splitlines()):
        if line.startswith(EXIT_REASON_PREFIX):
            return line.removeprefix(EXIT_REASON_PREFIX).strip()[:REASON_CHARS_MAX]
    return ""


def last_words(meaning: str, errors: str) -> str:
    """Return what an exit code means, with the last line that the agent said on stderr, bounded.

    Many agents of the distribution write why they failed to their log only, which is stderr here.
    """
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    return ": ".join([meaning, *said[-1:]])[:REASON_CHARS_MAX]
