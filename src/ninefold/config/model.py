"""The typed `corosync.conf`: what the other layers read. Names are the file's own keys.

All times are in milliseconds unless the name says otherwise. Timers hold the *effective* values:
`token` includes the coefficient for the number of nodes, dependent timers are derived from it.
"""

from __future__ import annotations

import msgspec

from ninefold.core.ids import NodeId


class LinkAddress(msgspec.Struct, frozen=True):
    """One node's address on one link: `address` is a numeric IP, `port` a UDP port."""

    address: str
    port: int


class NodeEntry(msgspec.Struct, frozen=True):
    """One `nodelist.node`. `links` maps link number to address."""

    nodeid: NodeId
    name: str
    links: dict[int, LinkAddress]
    quorum_votes: int = 1


class LinkOptions(msgspec.Struct, frozen=True):
    """One `totem.interface`, or its defaults."""

    linknumber: int
    priority: int = 1
    ping_interval: int = 750
    ping_timeout: int = 1500
    ping_precision: int = 2048
    pong_count: int = 2


class TotemOptions(msgspec.Struct, frozen=True):
    """Timers and constants of the ring (`totem` section; corosync.conf(5))."""

    token: int = 3000
    token_configured: int = 3000
    token_coefficient: int = 650
    token_warning: int = 75
    token_retransmits_before_loss_const: int = 4
    token_retransmit: int = 714
    hold: int = 561
    join: int = 50
    send_join: int = 0
    consensus: int = 3600
    merge: int = 200
    downcheck: int = 1000
    fail_recv_const: int = 2500
    seqno_unchanged_const: int = 30
    miss_count_const: int = 5
    window_size: int = 50
    max_messages: int = 17
    cancel_token_hold_on_retransmit: bool = False
    link_mode: str = "passive"
    crypto_cipher: str = "none"
    crypto_hash: str = "none"
    keyfile: str = "/etc/corosync/authkey"
    key: str = ""
    netmtu: int = 65536
    knet_mtu: int = 0
    knet_pmtud_interval: int = 30_000
    block_unlisted_ips: bool = True
    cluster_name: str = ""
    config_version: int = 0
    # Ninefold's own key (totem.ninefold_probe: yes|no): tell dead hosts from paused daemons by
    # whether the peer's kernel answers.
    kernel_probe: bool = True


class DeviceOptions(msgspec.Struct, frozen=True):
    """`quorum.device`."""

    model: str
    votes: int
    timeout: int = 10_000
    sync_timeout: int = 30_000
    master_wins: bool = False
    host: str = ""
    port: int = 5403
    algorithm: str = "ffsplit"
    tie_breaker: str = "lowest"


class QuorumOptions(msgspec.Struct, frozen=True):
    """The `quorum` section. `provider` empty means no quorum: every partition may act."""

    provider: str = ""
    expected_votes: int = 0
    two_node: bool = False
    wait_for_all: bool = False
    auto_tie_breaker: bool = False
    auto_tie_breaker_node: str = "lowest"
    last_man_standing: bool = False
    last_man_standing_window: int = 10_000
    allow_downscale: bool = False
    expected_votes_tracking: bool = False
    device: DeviceOptions | None = None


class LoggingOptions(msgspec.Struct, frozen=True):
    """The `logging` section."""

    to_stderr: bool = True
    to_syslog: bool = True
    to_logfile: bool = False
    logfile: str = ""
    debug: str = "off"
    timestamp: str = "hires"
    syslog_facility: str = "daemon"


class ClusterConfig(msgspec.Struct, frozen=True):
    """A `corosync.conf` that may be run. `local` is the nodeid of this host."""

    local: NodeId
    nodes: tuple[NodeEntry, ...]
    totem: TotemOptions
    links: tuple[LinkOptions, ...]
    quorum: QuorumOptions
    logging: LoggingOptions = LoggingOptions()

    def node(self, nodeid: NodeId) -> NodeEntry:
        """Return the entry of `nodeid`; `KeyError` if the file does not list it."""
        for entry in self.nodes:
            if entry.nodeid == nodeid:
                return entry
        raise KeyError(nodeid)
