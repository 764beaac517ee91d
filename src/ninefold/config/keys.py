"""Every key of a `corosync.conf`: type, range, default, and when a change takes effect.

A table and how to look into it, nothing else (corosync.conf(5); specs/totem.md §9 and §13). Paths are
as in the file: repeated sections (`totem.interface`, `nodelist.node`) carry no number. A key that is
not in the table is unknown, here as in the findings.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from typing import Final

import msgspec

U8: Final = 2**8 - 1
U16: Final = 2**16 - 1
U32: Final = 2**32 - 1
U64: Final = 2**64 - 1

LINKS_MAX: Final = 8
# Totem keeps 16 384 messages in its sort queue; half of it lets two rotations be in flight.
WINDOW_MAX: Final = 8192


class Kind(Enum):
    """What a value must look like."""

    INTEGER = "a decimal integer within a range"
    FLAG = "an integer that is read as no (0) or yes (1)"
    CHOICE = "one of a list of words"
    TEXT = "any text"


class Reload(Enum):
    """When a changed value takes effect."""

    LIVE = "at the next reload"
    RESTART = "when the daemon starts again"
    NEVER = "the cluster must be stopped first, everywhere"


class Key(msgspec.Struct, frozen=True):
    """One key. `default` is as one would write it; empty means none or derived (see `about`).

    `used` is false for keys that are accepted for the sake of the file but change nothing here.
    """

    path: str
    kind: Kind
    default: str
    about: str
    low: int = 0
    high: int = U32
    choices: tuple[str, ...] = ()
    unit: str = ""
    reload: Reload = Reload.LIVE
    used: bool = True


_YES_NO: Final = ("yes", "no")
_ON_OFF: Final = ("on", "off")
_FACILITIES: Final = ("daemon", *(f"local{number}" for number in range(8)))
_PRIORITIES: Final = (
    "alert", "crit", "debug", "emerg", "err", "info", "notice", "warning",
)  # fmt: skip
_DSCP: Final = (
    *(str(number) for number in range(64)),
    *(f"cs{number}" for number in range(8)),
    *(f"af{row}{column}" for row in range(1, 5) for column in range(1, 4)),
    "ef",
)


def _ms(path: str, default: str, about: str, *, low: int = 30) -> Key:
    return Key(path, Kind.INTEGER, default, about, low=low, unit="ms")


def _int(
    path: str, default: str, about: str, *, low: int = 0, high: int = U32, unit: str = ""
) -> Key:
    return Key(path, Kind.INTEGER, default, about, low=low, high=high, unit=unit)


def _choice(path: str, default: str, about: str, choices: tuple[str, ...]) -> Key:
    return Key(path, Kind.CHOICE, default, about, choices=choices)


def _flag(path: str, about: str) -> Key:
    return Key(path, Kind.FLAG, "0", about, high=U8)


def _text(path: str, default: str, about: str) -> Key:
    return Key(path, Kind.TEXT, default, about)


def _unused(key: Key) -> Key:
    return msgspec.structs.replace(key, used=False)


def _restart(key: Key) -> Key:
    return msgspec.structs.replace(key, reload=Reload.RESTART)


def _never(key: Key) -> Key:
    return msgspec.structs.replace(key, reload=Reload.NEVER)


_TOTEM: Final = (
    _restart(_int("totem.version", "", "version of the format: 2", high=U32)),
    _restart(_text("totem.cluster_name", "", "name of the cluster")),
    _int("totem.config_version", "0", "grows with every change of the file", high=U64),
    _never(
        _choice("totem.transport", "knet", "how packets travel", ("knet", "udpu", "udp"))
    ),
    _unused(_choice("totem.crypto_model", "nss", "library for encryption", ("nss", "openssl", "gcrypt"))),
    _never(_choice("totem.crypto_cipher", "none", "encryption of the ring", ("none", "aes128", "aes192", "aes256"))),
    _never(_choice("totem.crypto_hash", "none", "authentication of the ring", ("none", "md5", "sha1", "sha256", "sha384", "sha512"))),
    _never(_choice("totem.secauth", "off", "on: aes256 and sha256", _ON_OFF)),
    _never(_text("totem.keyfile", "/etc/corosync/authkey", "file with the shared key")),
    _never(_text("totem.key", "", "the shared key itself")),
    _choice("totem.link_mode", "passive", "which links carry a packet", ("passive", "active", "rr")),
    _restart(_choice("totem.ip_version", "ipv6-4", "which addresses of a name are taken", ("ipv4", "ipv6", "ipv4-6", "ipv6-4"))),
    _unused(_choice("totem.ip_dscp", "0", "traffic class of packets", _DSCP)),
    _restart(_int("totem.netmtu", "65536", "largest frame of the ring", low=576, high=65536, unit="B")),
    _int("totem.knet_mtu", "0", "the networks' MTU; 0 means that it is found out", high=U16, unit="B"),
    _int("totem.knet_pmtud_interval", "30", "time between searches for the largest datagram", low=1, unit="s"),
    _unused(_choice("totem.knet_compression_model", "none", "compression of packets", ("none", "zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd"))),
    _unused(_int("totem.knet_compression_threshold", "100", "smallest packet to compress", unit="B")),
    _unused(_int("totem.knet_compression_level", "0", "how hard to compress")),
    _choice("totem.block_unlisted_ips", "yes", "drop packets from addresses that no node has", _YES_NO),
    _ms("totem.token", "3000", "how long a lost token is waited for; see token_coefficient"),
    _int("totem.token_coefficient", "650", "added to token for each node beyond two", unit="ms"),
    _int("totem.token_warning", "75", "share of token after which to warn; 0 is off", high=100, unit="%"),
    _int("totem.token_retransmits_before_loss_const", "4", "times the token is sent again before it is lost", low=1),
    _ms("totem.token_retransmit", "", "time between two sendings of the same token"),
    _ms("totem.hold", "", "how long an idle token is kept", low=14),
    _ms("totem.join", "50", "time between two join messages"),
    _int("totem.send_join", "0", "random delay before a join message", unit="ms"),
    _ms("totem.consensus", "", "how long agreement on members may take; 1.2 x token"),
    _ms("totem.merge", "200", "time between looks for other partitions"),
    _ms("totem.downcheck", "1000", "time between looks at a network that is down"),
    _int("totem.fail_recv_const", "2500", "token visits without a message before a node gives up", low=1, unit="visits"),
    _int("totem.seqno_unchanged_const", "30", "idle token visits before the token is kept", low=1, unit="visits"),
    _int("totem.miss_count_const", "5", "token visits before a missing message is asked for", low=1, unit="visits"),
    _unused(_int("totem.heartbeat_failures_allowed", "0", "heartbeat of the old transports")),
    _unused(_ms("totem.max_network_delay", "50", "heartbeat of the old transports")),
    _int("totem.window_size", "50", "messages per rotation of the token", low=1, high=WINDOW_MAX),
    _int("totem.max_messages", "17", "messages of one node per token visit", low=1, high=WINDOW_MAX),
    _choice("totem.cancel_token_hold_on_retransmit", "no", "do not keep the token while messages are missing", _YES_NO),
    _choice("totem.ninefold_probe", "yes", "Ninefold: tell dead hosts from paused daemons", _YES_NO),
    _unused(_choice("totem.clear_node_high_bit", "no", "node ids made from addresses", _YES_NO)),
    _unused(_int("totem.nodeid", "", "node id of this host where there is no nodelist")),
    _unused(_int("totem.threads", "0", "threads for encryption")),
)  # fmt: skip

_INTERFACE: Final = (
    _int("totem.interface.linknumber", "0", "which link this section is about", high=U8),
    _restart(_int("totem.interface.mcastport", "", "UDP port; 5405 + linknumber", low=1, high=U16)),
    _unused(_text("totem.interface.bindnetaddr", "", "network of the old transports")),
    _unused(_text("totem.interface.mcastaddr", "", "multicast address of the old transports")),
    _unused(_choice("totem.interface.broadcast", "no", "broadcast of the old transports", _YES_NO)),
    _unused(_int("totem.interface.ttl", "1", "hops of a multicast packet", high=U8)),
    _int("totem.interface.knet_link_priority", "1", "the highest usable link is taken", high=U8),
    _int("totem.interface.knet_ping_interval", "", "time between pings; token / (2 x pong_count)", low=1, unit="ms"),
    _int("totem.interface.knet_ping_timeout", "", "silence after which a link is down; token / pong_count", low=1, unit="ms"),
    _int("totem.interface.knet_ping_precision", "2048", "samples of the latency", low=1),
    _int("totem.interface.knet_pong_count", "2", "answers after which a link is up", low=1, high=U8),
    _choice("totem.interface.knet_transport", "udp", "protocol of the link", ("udp", "sctp")),
)  # fmt: skip

_NODE: Final = (
    *(
        _never(_text(f"nodelist.node.ring{link}_addr", "", f"address or name on link {link}"))
        for link in range(LINKS_MAX)
    ),
    _restart(_int("nodelist.node.nodeid", "", "number of the node", low=1, high=U16)),
    _text("nodelist.node.name", "", "name of the node, as its host calls itself"),
    _int("nodelist.node.quorum_votes", "1", "votes of the node"),
)

_QUORUM: Final = (
    _restart(_choice("quorum.provider", "", "corosync_votequorum; without it every partition may act", ("corosync_votequorum",))),
    _int("quorum.expected_votes", "", "votes of the whole cluster; the sum of the nodelist", low=1),
    _int("quorum.votes", "1", "votes of this node where the nodelist gives none"),
    _flag("quorum.two_node", "either of two nodes may go on alone"),
    _restart(_flag("quorum.wait_for_all", "no quorum before all nodes were seen once")),
    _restart(_flag("quorum.auto_tie_breaker", "one fixed half goes on after an even split")),
    _restart(_text("quorum.auto_tie_breaker_node", "lowest", "which half: lowest, highest or a list of node ids")),
    _restart(_flag("quorum.last_man_standing", "expected votes shrink after nodes were lost")),
    _restart(_int("quorum.last_man_standing_window", "10000", "how long nodes must be gone for that", low=1, unit="ms")),
    _restart(_flag("quorum.allow_downscale", "a clean leave lowers the expected votes")),
    _restart(_flag("quorum.expected_votes_tracking", "the highest expected votes are a floor")),
    _text("quorum.device.model", "", "kind of quorum device"),
    _int("quorum.device.votes", "", "votes of the device; the sum of the nodelist less one"),
    _int("quorum.device.timeout", "10000", "how long the device may be silent", low=1, unit="ms"),
    _int("quorum.device.sync_timeout", "30000", "the same while a ring forms", low=1, unit="ms"),
    _flag("quorum.device.master_wins", "the device's partition is quorate in any case"),
    _text("quorum.device.net.host", "", "host of the quorum daemon"),
    _int("quorum.device.net.port", "5403", "its port", low=1, high=U16),
    _choice("quorum.device.net.algorithm", "ffsplit", "how it votes", ("ffsplit", "lms", "test", "2nodelms")),
    _text("quorum.device.net.tie_breaker", "lowest", "lowest, highest or a node id"),
    _unused(_choice("quorum.device.net.tls", "on", "encryption to the quorum daemon", ("on", "off", "required"))),
    _unused(_int("quorum.device.net.connect_timeout", "", "0.8 x timeout", low=1, unit="ms")),
    _unused(_int("quorum.device.net.force_ip_version", "0", "4 or 6", high=6)),
    _unused(_choice("quorum.device.net.keep_active_partition_tie_breaker", "off", "prefer the active partition", _ON_OFF)),
    _unused(_choice("quorum.device.heuristics.mode", "off", "when heuristics are run", ("on", "off", "sync"))),
    _unused(_int("quorum.device.heuristics.timeout", "", "how long they may run", unit="ms")),
    _unused(_int("quorum.device.heuristics.sync_timeout", "", "the same while a ring forms", unit="ms")),
    _unused(_int("quorum.device.heuristics.interval", "", "time between runs", unit="ms")),
)  # fmt: skip


def _log_keys(section: str) -> tuple[Key, ...]:
    return (
        _choice(f"{section}.to_stderr", "yes", "log to standard error", _YES_NO),
        _choice(f"{section}.to_syslog", "yes", "log to the system's log", _YES_NO),
        _choice(f"{section}.to_logfile", "no", "log to a file", _YES_NO),
        _text(f"{section}.logfile", "", "that file"),
        _choice(f"{section}.debug", "off", "how much is logged", ("on", "off", "trace")),
        _choice(f"{section}.syslog_facility", "daemon", "facility", _FACILITIES),
        _unused(_choice(f"{section}.syslog_priority", "info", "lowest for syslog", _PRIORITIES)),
        _unused(_choice(f"{section}.logfile_priority", "info", "lowest for the file", _PRIORITIES)),
    )


_LOGGING: Final = (
    *_log_keys("logging"),
    _choice("logging.timestamp", "hires", "time in front of a line", ("on", "off", "hires")),
    _unused(_choice("logging.fileline", "off", "source line in front", _ON_OFF)),
    _unused(_choice("logging.function_name", "off", "function in front", _ON_OFF)),
    _unused(_choice("logging.blackbox", "on", "flight recorder", _ON_OFF)),
    _unused(_text("logging.logger_subsys.subsys", "", "part of the daemon it is about")),
    *(_unused(key) for key in _log_keys("logging.logger_subsys")),
)

_REST: Final = (
    _unused(_choice("system.qb_ipc_type", "native", "local sockets", ("native", "shm", "socket"))),
    _unused(_choice("system.sched_rr", "yes", "real-time scheduling", _YES_NO)),
    _unused(_text("system.priority", "", "max, min or a number")),
    _unused(_choice("system.move_to_root_cgroup", "auto", "cgroup", ("yes", "no", "auto"))),
    _unused(_text("system.state_dir", "/var/lib/corosync", "where state is kept")),
    _unused(_choice("system.allow_knet_handle_fallback", "no", "less privilege", _YES_NO)),
    _unused(_text("resources.watchdog_device", "/dev/watchdog", "watchdog; off to use none")),
    _unused(_text("resources.watchdog_timeout", "6", "seconds")),
    _unused(_text("uidgid.uid", "", "user that may use Corosync's libraries")),
    _unused(_text("uidgid.gid", "", "group that may use Corosync's libraries")),
    _unused(_text("nozzle.name", "", "tunnel device")),
    _unused(_text("nozzle.ipaddr", "", "its address")),
    _unused(_int("nozzle.ipprefix", "", "its prefix", high=128)),
    _unused(_text("nozzle.macaddr", "", "its hardware address")),
)

KEYS: Final[dict[str, Key]] = {
    key.path: key for key in (*_TOTEM, *_INTERFACE, *_NODE, *_QUORUM, *_LOGGING, *_REST)
}


def _sections() -> tuple[str, ...]:
    names = {path.rpartition(".")[0]: None for path in KEYS}
    # Sections that hold only sections.
    names |= {name.rpartition(".")[0]: None for name in names if "." in name}
    return tuple(names)


SECTIONS: Final[tuple[str, ...]] = _sections()


def keys_of(section: str) -> list[str]:
    """Return the names of the keys of a section, as in the table."""
    return [path.rpartition(".")[2] for path in KEYS if path.rpartition(".")[0] == section]


def nearest_key(section: str, name: str) -> str:
    """Return the known key that `name` was probably meant to be, as a path, or nothing.

    First what the section knows, then the same word in another section (`two_node` in `totem`).
    """
    near = get_close_matches(name.lower(), keys_of(section), n=1, cutoff=0.7)
    if near:
        return f"{section}.{near[0]}"
    for path in KEYS:
        if path.rpartition(".")[2] == name:
            return path
    return ""


def nearest_section(path: str) -> str:
    """Return the known section that `path` was probably meant to be, or nothing."""
    parent, _, name = path.rpartition(".")
    siblings = [known for known in SECTIONS if known.rpartition(".")[0] == parent]
    near = get_close_matches(
        name.lower(), [s.rpartition(".")[2] for s in siblings], n=1, cutoff=0.7
    )
    if near:
        return f"{parent}.{near[0]}" if parent else near[0]
    for known in SECTIONS:
        if known.rpartition(".")[2] == name:
            return known
    return ""
