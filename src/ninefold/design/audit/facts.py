"""What was seen on one host: facts without judgement, ready for JSON.

A collector fills one part and says in `unread` what it could not see, and why; a part that was not
read is empty *and* named there, so that nobody takes silence for absence. Lengths carry their unit;
times are epoch seconds; addresses are texts. `judge` judges.
"""

from __future__ import annotations

import msgspec


class Unread(msgspec.Struct, frozen=True):
    """Something that could not be read: `what`, `why`, and the `remedy` (root, a package)."""

    what: str
    why: str
    remedy: str = ""


class Unit(msgspec.Struct, frozen=True):
    """A service of systemd or SysV: `state` as the manager says (`running`, `failed`, ...)."""

    name: str
    state: str
    enabled: str = ""
    description: str = ""
    manager: str = "systemd"


class Listener(msgspec.Struct, frozen=True):
    """A listening socket; `process` is empty where it may not be seen."""

    protocol: str
    address: str
    port: int
    process: str = ""
    pid: int = 0


class Mount(msgspec.Struct, frozen=True):
    """A mounted file system; `network` for nfs, cifs, gluster, ceph and their kind."""

    source: str
    target: str
    fstype: str
    options: str
    network: bool
    in_fstab: bool = False


class Planned(msgspec.Struct, frozen=True):
    """A line of /etc/fstab; `options` as written there (`noauto`, `_netdev`)."""

    source: str
    target: str
    fstype: str
    options: str


class Link(msgspec.Struct, frozen=True):
    """A network link. `kind` as the kernel names it (`bond`, `bridge`, `vlan`), empty: hardware.

    `dynamic` are those addresses that expire unless DHCP or a router renews them; `switch` is what
    the other end of the cable says of itself by LLDP, empty if nobody listened here.
    """

    name: str
    kind: str
    up: bool
    carrier: bool
    mac: str
    mtu: int
    speed_mbit: int | None
    driver: str
    bus: str
    master: str = ""
    parent: str = ""
    addresses: tuple[str, ...] = ()
    virtual: bool = False
    dynamic: tuple[str, ...] = ()
    switch: str = ""


class Bond(msgspec.Struct, frozen=True):
    """A bond: `mode` by name; delays in ms; `lacp_partner` is the switch's MAC, empty without.

    The kernel tells the partner to administrators only: `lacp_seen` says whether it was told.
    `aggregators` groups slaves by what LACP has joined: slave to its aggregator.
    """

    name: str
    mode: str
    slaves: tuple[str, ...]
    active_slave: str
    primary: str
    miimon_ms: int
    updelay_ms: int
    downdelay_ms: int
    slaves_up: tuple[str, ...]
    lacp_rate: str = ""
    lacp_partner: str = ""
    arp_interval_ms: int = 0
    xmit_hash: str = ""
    lacp_seen: bool = False
    aggregators: dict[str, str] = {}


class Route(msgspec.Struct, frozen=True):
    """A route; `target` is `default` or a prefix; `gateway_mac` as the neighbour table has it."""

    target: str
    gateway: str
    link: str
    metric: int
    family: str = "inet"
    gateway_mac: str = ""


class TimeSync(msgspec.Struct, frozen=True):
    """The clock: which daemon keeps it, from how many sources; `None` where nobody says."""

    daemon: str
    synchronised: bool | None
    sources: tuple[str, ...]


class Names(msgspec.Struct, frozen=True):
    """Name resolution: resolvers, search list, and what `/etc/hosts` says of this host's name."""

    hostname: str
    resolvers: tuple[str, ...]
    search: tuple[str, ...]
    hosts: dict[str, tuple[str, ...]]
    uses_resolved: bool = False


class Disk(msgspec.Struct, frozen=True):
    """A block device. `kind`: disk, partition, raid, lvm, dm, loop, rom; `parents` it stands on.

    `label` is device mapper's name; `controller` the driver of the SCSI host that it hangs on.
    """

    name: str
    kind: str
    size_bytes: int
    rotational: bool | None
    model: str
    serial: str
    transport: str
    parents: tuple[str, ...]
    fstype: str = ""
    uuid: str = ""
    mounts: tuple[str, ...] = ()
    read_only: bool = False
    label: str = ""
    controller: str = ""


class Raid(msgspec.Struct, frozen=True):
    """An md array, or a btrfs or ZFS of several devices: members wanted and working.

    `sync_percent` while it rebuilds.
    """

    name: str
    level: str
    wanted: int
    working: int
    members: tuple[str, ...]
    faulty: tuple[str, ...]
    spares: tuple[str, ...]
    state: str
    sync_percent: float | None = None


class Multipath(msgspec.Struct, frozen=True):
    """A multipath map and its paths, those that work apart."""

    name: str
    paths: tuple[str, ...]
    working: tuple[str, ...]
    features: str = ""


class VolumeGroup(msgspec.Struct, frozen=True):
    """An LVM volume group: where it lies and what it holds."""

    name: str
    physical: tuple[str, ...]
    logical: tuple[str, ...]
    system_id: str = ""
    shared: bool = False


class Drbd(msgspec.Struct, frozen=True):
    """A DRBD resource as the kernel tells it."""

    name: str
    role: str
    disk: str
    connection: str
    peers: tuple[str, ...]
    protocol: str = ""


class PowerSupply(msgspec.Struct, frozen=True):
    """A power supply by IPMI or sysfs: `ok` is `None` where the sensor does not say.

    `entity` is IPMI's number of the thing itself (10.1), which may have several sensors.
    """

    name: str
    ok: bool | None
    state: str
    source: str
    entity: str = ""


class Boot(msgspec.Struct, frozen=True):
    """A start of this host; `clean`: the one before it was shut down in order, as far as known."""

    began: int
    ended: int | None
    clean: bool | None


class Trouble(msgspec.Struct, frozen=True):
    """Log lines of one kind (`error`, `oom`, `hardware`): how many, the last, an example each."""

    kind: str
    count: int
    last: int
    source: str
    example: str


class Machine(msgspec.Struct, frozen=True):
    """What this host is made of. `virtualisation` empty: bare metal; memory in MiB.

    Serial numbers are shown by the firmware to root only. `hypervisor` is the name of the machine
    below, where it tells its guests. `oom_kills` counts since the start of the kernel.
    """

    architecture: str
    kernel: str
    distribution: str
    cpus: int
    memory_mib: int
    swap_mib: int
    vendor: str
    product: str
    virtualisation: str
    container: str = ""
    ecc_errors: int | None = None
    ecc_uncorrected: int | None = None
    serial: str = ""
    chassis_serial: str = ""
    hypervisor: str = ""
    oom_kills: int | None = None


class Watchdog(msgspec.Struct, frozen=True):
    """A watchdog device; `driver` softdog is software."""

    device: str
    driver: str
    timeout_s: int | None
    active: bool | None


class Package(msgspec.Struct, frozen=True):
    """An installed package that has to do with clusters."""

    name: str
    version: str


class Managed(msgspec.Struct, frozen=True):
    """What a cluster on this host manages, by its documents; names of the nodes that it knows."""

    nodes: tuple[str, ...]
    units: tuple[str, ...]
    mounts: tuple[str, ...]
    # Which of both documents could be read; without the CIB, units and mounts are unknown.
    cib_read: bool


class HostFacts(msgspec.Struct, frozen=True):
    """One host, seen at `at`. `since_days` is how far back the logs were read."""

    host: str
    at: int
    as_root: bool
    since_days: int = 30
    machine: Machine | None = None
    uptime_s: int | None = None
    boots: tuple[Boot, ...] = ()
    units: tuple[Unit, ...] = ()
    listeners: tuple[Listener, ...] = ()
    mounts: tuple[Mount, ...] = ()
    links: tuple[Link, ...] = ()
    bonds: tuple[Bond, ...] = ()
    routes: tuple[Route, ...] = ()
    names: Names | None = None
    time: TimeSync | None = None
    disks: tuple[Disk, ...] = ()
    raids: tuple[Raid, ...] = ()
    multipaths: tuple[Multipath, ...] = ()
    volume_groups: tuple[VolumeGroup, ...] = ()
    drbd: tuple[Drbd, ...] = ()
    power: tuple[PowerSupply, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    watchdogs: tuple[Watchdog, ...] = ()
    packages: tuple[Package, ...] = ()
    # Files of a cluster that lie here: name and whether it could be read.
    cluster_files: dict[str, bool] = {}
    unread: tuple[Unread, ...] = ()
    planned: tuple[Planned, ...] = ()
    # Programs of interest that run: of clusters, and those that serve clients.
    daemons: tuple[str, ...] = ()
    managed: Managed | None = None
    # Where `troubles` come from: `journal`, `syslog`, `kernel ring`; empty: nothing could be read.
    log_source: str = ""
    # Do the logs survive a reboot?
    log_persistent: bool | None = None


class Judgement(msgspec.Struct, frozen=True):
    """What a fact means. `layer` as in the book's table; `severity` error, warning or info.

    `spof` marks a single point of failure; `evidence` is what was seen, word for word. `unknown`
    marks a question that the facts leave open: `evidence` then says what was not seen, `mitigation`
    how to find out.
    """

    code: str
    host: str
    layer: str
    severity: str
    spof: bool
    subject: str
    sentence: str
    evidence: str
    mitigation: str
    unknown: bool = False


class Audit(msgspec.Struct, frozen=True):
    """One or several hosts with what was found; what `--json` prints."""

    hosts: tuple[HostFacts, ...]
    judgements: tuple[Judgement, ...]
