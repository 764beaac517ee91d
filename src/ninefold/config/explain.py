"""What a file amounts to: the value each key takes, and where it comes from."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.keys import KEYS
from ninefold.core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.config.model import ClusterConfig
    from ninefold.config.settings import Group, Settings


class Source(Enum):
    """Where a value comes from."""

    FILE = "the file"
    DEFAULT = "the default"
    DERIVED = "other keys"


class EffectiveValue(msgspec.Struct, frozen=True):
    """One key's value as it takes effect; `line` is 0 unless it stands in the file.

    `key` numbers what is repeated: `nodelist.node.0.name`, `totem.interface.1.knet_ping_timeout`.
    """

    key: str
    value: str
    source: Source
    unit: str = ""
    line: int = 0
    about: str = ""


class CheckReport(msgspec.Struct, frozen=True):
    """The answer to "what would happen with this file?"."""

    file: str
    accepted: bool
    findings: tuple[Finding, ...]
    values: tuple[EffectiveValue, ...]


# Options whose name is that of a key of the section, so that the two are shown side by side.
_TOTEM: Final = (
    "version", "cluster_name", "config_version", "transport", "link_mode", "ip_version",
    "crypto_cipher", "crypto_hash", "keyfile", "token", "token_coefficient", "token_warning",
    "token_retransmits_before_loss_const", "token_retransmit", "hold", "join", "send_join",
    "consensus", "merge", "downcheck", "fail_recv_const", "seqno_unchanged_const",
    "miss_count_const", "window_size", "max_messages", "cancel_token_hold_on_retransmit",
    "netmtu", "knet_mtu", "knet_pmtud_interval", "block_unlisted_ips", "ninefold_probe",
)  # fmt: skip
_QUORUM: Final = (
    "provider", "expected_votes", "two_node", "wait_for_all", "auto_tie_breaker",
    "auto_tie_breaker_node", "last_man_standing", "last_man_standing_window", "allow_downscale",
    "expected_votes_tracking",
)  # fmt: skip
_LOGGING: Final = (
    "to_stderr", "to_syslog", "to_logfile", "logfile", "debug", "timestamp", "syslog_facility",
)  # fmt: skip


def effective(settings: Settings, config: ClusterConfig) -> tuple[EffectiveValue, ...]:
    """Return what the keys amount to, section by section in the order of the manual."""
    totem: dict[str, str | int] = {
        "token": config.totem.token,
        "token_retransmit": config.totem.token_retransmit,
        "hold": config.totem.hold,
        "consensus": config.totem.consensus,
        "crypto_cipher": config.totem.crypto_cipher,
        "crypto_hash": config.totem.crypto_hash,
    }
    expected = config.quorum.expected_votes or _votes(config)
    quorum = {
        "expected_votes": expected,
        "two_node": int(config.quorum.two_node),
        "wait_for_all": int(config.quorum.wait_for_all),
        "auto_tie_breaker": int(config.quorum.auto_tie_breaker),
        "last_man_standing": int(config.quorum.last_man_standing),
        "expected_votes_tracking": int(config.quorum.expected_votes_tracking),
    }
    return (
        *_section(settings["totem"], _TOTEM, totem),
        *_links(settings, config),
        *_nodes(config),
        *_section(settings["quorum"], _QUORUM, quorum),
        *_section(settings["logging"], _LOGGING, {}),
    )


def _votes(config: ClusterConfig) -> int:
    device = config.quorum.device.votes if config.quorum.device else 0
    return sum(node.quorum_votes for node in config.nodes) + device


def _section(
    group: Group, names: tuple[str, ...], computed: Mapping[str, str | int]
) -> list[EffectiveValue]:
    values = []
    for name in names:
        key = KEYS[f"{group.path}.{name}"]
        written = group.text(name)
        value = str(computed.get(name, written))
        if value != written:
            source = Source.DERIVED
        else:
            source = Source.FILE if name in group else Source.DEFAULT
        line = group.at(name) if name in group else 0
        values.append(EffectiveValue(key.path, value, source, key.unit, line, key.about))
    return values


def _links(settings: Settings, config: ClusterConfig) -> list[EffectiveValue]:
    groups = {group.integer("linknumber"): group for group in reversed(settings.interfaces)}
    values = []
    for link in config.links:
        group = groups.get(link.linknumber) or settings["totem.interface"]
        port = min(
            n.links[link.linknumber].port for n in config.nodes if link.linknumber in n.links
        )
        computed = {
            "mcastport": port,
            "knet_link_priority": link.priority,
            "knet_ping_interval": link.ping_interval,
            "knet_ping_timeout": link.ping_timeout,
            "knet_ping_precision": link.ping_precision,
            "knet_pong_count": link.pong_count,
        }
        values += [
            msgspec.structs.replace(
                value, key=f"totem.interface.{link.linknumber}.{value.key.rpartition('.')[2]}"
            )
            for value in _section(group, tuple(computed), computed)
        ]
    return values


def _nodes(config: ClusterConfig) -> list[EffectiveValue]:
    values = []
    for index, node in enumerate(config.nodes):
        path = f"nodelist.node.{index}"
        here = "this host" if node.nodeid == config.local else ""
        values.append(EffectiveValue(f"{path}.nodeid", str(node.nodeid), Source.FILE, about=here))
        values.append(EffectiveValue(f"{path}.name", node.name, Source.FILE))
        values.append(EffectiveValue(f"{path}.quorum_votes", str(node.quorum_votes), Source.FILE))
        values += [
            EffectiveValue(f"{path}.ring{number}_addr", link.address, Source.FILE)
            for number, link in sorted(node.links.items())
        ]
    return values
