"""What a fence agent can do, by its own metadata: its actions, and the name of its plug parameter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.agents.metadata import Metadata, parse
from ninefold.fencing.devices import DYNAMIC, PLUG_PARAMETERS, Device, HostCheck

if TYPE_CHECKING:
    from collections.abc import Sequence


class Capabilities(msgspec.Struct, frozen=True):
    """`plug` is "" for an agent that takes none; `on_automatic`: a node comes back by unfencing."""

    plug: str
    actions: tuple[str, ...]
    on_automatic: bool = False

    def can(self, action: str) -> bool:
        """Tell whether the agent advertises an action."""
        return action in self.actions


# For an agent that would not tell: `port` is understood by every agent, old or new, and each action
# is worth a try, for only its success counts.
UNKNOWN: Final = Capabilities("port", ("off", "on", "reboot", "status"))


def capabilities(text: str, agent: str) -> Capabilities:
    """Read an agent's metadata; `UNKNOWN` if nothing can be understood."""
    metadata = parse(text, agent).metadata
    return UNKNOWN if metadata is None or not metadata.actions else from_metadata(metadata)


def from_metadata(metadata: Metadata) -> Capabilities:
    """Return what the metadata says."""
    plug = next((name for name in PLUG_PARAMETERS if metadata.parameter(name)), "")
    on = metadata.action("on")
    return Capabilities(
        plug=plug,
        actions=tuple(dict.fromkeys(action.name for action in metadata.actions)),
        on_automatic=on is not None and on.automatic,
    )


def host_check(device: Device, able: Capabilities) -> HostCheck:
    """Return how to find out what the device covers: Pacemaker's default where none is set."""
    if device.host_check is not HostCheck.AUTO:
        return device.host_check
    if device.host_list or device.host_map:
        return HostCheck.STATIC_LIST
    if able.can("list"):
        return HostCheck.DYNAMIC_LIST
    return HostCheck.STATUS if able.can("status") else HostCheck.NONE


def call_parameters(device: Device, target: str, able: Capabilities) -> dict[str, str]:
    """Return the agent's parameters for an action on `target`, and on nothing else."""
    given = {name: value for name, value in device.parameters.items() if value != DYNAMIC}
    given["nodename"] = target
    name = device.host_argument or able.plug
    if name and name != "none" and not device.fixed_plug():
        given[name] = device.plug(target)
    return given


def lists(output: str, plug: str) -> bool:
    """Tell whether the answer to `list` has `plug`, as a name or an alias, in any line."""
    wanted = plug.lower()
    words: Sequence[str] = re.split(r"[\s,;:'\"]+", output.lower())
    return wanted in words
