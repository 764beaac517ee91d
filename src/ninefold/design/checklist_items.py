"""The design checklist's 66 items: number, area, kind (`A` can be checked, `M` is asked), text, remedy.

A table and nothing else; the numbers are those of specs/field-needs.md D1 and never change meaning.
"""

from __future__ import annotations

from typing import Final

GOALS: Final = "Goals"
NODES: Final = "Nodes"
NETWORK: Final = "Network"
QUORUM: Final = "Quorum"
FENCING: Final = "Fencing"
STORAGE: Final = "Storage"
RESOURCES: Final = "Resources and policy"
OPERATIONS: Final = "Operations"

ITEMS: Final[tuple[tuple[int, str, str, str, str], ...]] = (
    (1, GOALS, "M", "There is a list of services, each with an owner.", "Give every service an `owner`."),
    (2, GOALS, "M", "Each service has an agreed objective (SLO), recovery time (RTO) and recovery point (RPO).", "Agree on `slo`, `rto` and `rpo` with each owner and write them down."),
    (3, GOALS, "M", "It is agreed whether maintenance windows count against the objective.", "Say it in the agreement, and `excluded` in each `maintenance`."),
    (4, GOALS, "A", "The predicted availability reaches the objective, with stated assumptions.", "See what dominates in `ninefold design report`, and mend that first."),
    (5, GOALS, "M", "All dependencies are known: DNS, LDAP, NTP, licence servers, storage, other services.", "Add them to the `needs` of each service."),
    (6, GOALS, "M", "High availability is the right tool (not a load balancer, not the application's own clustering).", "For stateless services prefer instances behind a load balancer."),
    (7, GOALS, "M", "The size of each cluster is chosen: how much goes down with one.", "Prefer several small clusters to a large one."),
    (8, NODES, "A", "After the worst single failure everything still has room (N+1).", "Add capacity, or say what need not run then."),
    (9, NODES, "A", "All nodes have the same versions of system, kernel and cluster packages.", "Update the nodes that lag behind, one at a time."),
    (10, NODES, "A", "User ids, kernel parameters and files are the same on all nodes.", "Keep the nodes' configuration in one place and compare it."),
    (11, NODES, "A", "Power supplies are redundant and on different feeds.", "Give each node two supplies on separate circuits."),
    (12, NODES, "A", "Nodes stand on different hypervisors and in different racks.", "Spread them (anti-affinity), so that no one loss takes several."),
    (13, NODES, "A", "Overcommitment of CPU and memory, and stolen time, are bounded.", "Reserve CPU and memory for the cluster's machines."),
    (14, NODES, "A", "No swap storms; real-time throttling leaves room for the cluster's daemons.", "Add memory, or limit what takes it."),
    (15, NODES, "A", "The watchdog is hardware, not softdog.", "Load the driver of the machine's watchdog (iTCO_wdt, ipmi_watchdog, ...)."),
    (16, NODES, "A", "Time is kept from two sources at least, and steps are noticed.", "Configure chrony with two or more servers."),
    (17, NODES, "A", "Addresses are static, names resolve both ways, /etc/hosts has all nodes and no 127.0.1.1 for its own.", "Write all nodes' names and addresses into /etc/hosts."),
    (18, NODES, "A", "Network interfaces have the same names on all nodes.", "Name them by udev rules or .link files."),
    (19, NETWORK, "A", "There are two independent links for the cluster at least (card, switch, VLAN).", "Add `ring1_addr` on another network to every node."),
    (20, NETWORK, "A", "The bonding mode is supported, and its timers stay below half the token.", "Use active-backup or 802.3ad with `lacp-rate fast`; see `ninefold design timing`."),
    (21, NETWORK, "A", "The MTU holds end to end on every link.", "Try it with the largest unfragmented packet between all pairs."),
    (22, NETWORK, "A", "Multicast is not needed, or has been verified.", "Use the transport knet (or udpu)."),
    (23, NETWORK, "A", "The ring is encrypted and authenticated, with the same key on all nodes.", "Set crypto_cipher and crypto_hash, and copy one key to all nodes."),
    (24, NETWORK, "A", "Firewalls let the cluster's ports through.", "Open 5404-5412/udp, and 2224, 3121, 5403, 9929, 21064, 3260, 9664 as far as used."),
    (25, NETWORK, "A", "Latency, jitter and loss of each link are known, and the 99th percentile is far below the token.", "Measure for a week and keep the figures as a baseline."),
    (26, NETWORK, "A", "The ring is kept apart from backup, storage and migration traffic.", "Give it a VLAN with priority, or a link of its own."),
    (27, NETWORK, "A", "Switches accept the announcement of moved addresses; these are in no DHCP range and not taken twice.", "Move an address in a drill and watch the neighbours."),
    (28, NETWORK, "A", "How clients reconnect, and how long they keep names, is known.", "Kill a connection in a drill and measure the clients."),
    (29, QUORUM, "A", "The votes are odd, or there is a witness.", "Add a quorum device with one vote."),
    (30, QUORUM, "A", "Two nodes have two_node with wait_for_all, or a quorum device.", "Write `two_node: 1` (wait_for_all follows), or add a device."),
    (31, QUORUM, "A", "The witness is in a third failure domain and not on the cluster itself.", "Move it to another site, feed and hypervisor."),
    (32, QUORUM, "A", "What happens without quorum is decided (stop, freeze, demote, suicide).", "Set the cluster property no-quorum-policy."),
    (33, QUORUM, "A", "The expected votes are those of the nodelist.", "Remove `expected_votes`: the nodelist says it."),
    (34, QUORUM, "A", "The truth table of partitions has been reviewed.", "Read `ninefold design quorum` and answer 34."),
    (35, QUORUM, "A", "The quorum device's timeouts are shorter than the watchdog's.", "See `ninefold design timing`."),
    (36, FENCING, "A", "Fencing is enabled and a device covers every node.", "Add a device for each node; set stonith-enabled=true."),
    (37, FENCING, "A", "There is a second level, independent of the first in path and power.", "Add a level: power outlets, or SBD."),
    (38, FENCING, "A", "No device shares power or network with its target.", "Feed the device from elsewhere."),
    (39, FENCING, "A", "Fencing has been tried from each node within 90 days.", "Drill it from every node, and answer 39 with the date."),
    (40, FENCING, "A", "The time of fencing is measured, and the timeout is twice that at least.", "Measure it in a drill and write `time` at each path."),
    (41, FENCING, "A", "Two nodes do not kill each other: a delay or a priority decides.", "Set priority-fencing-delay, or pcmk_delay_base on one device."),
    (42, FENCING, "A", "The power button of the ACPI does not shut down softly where the BMC presses it.", "Set HandlePowerKey=ignore, or the BIOS to instant-off."),
    (43, FENCING, "A", "A crash dump is not cut off by fencing.", "Add fence_kdump as the first level, or wait (crashdump timeout)."),
    (44, FENCING, "A", "Credentials of devices are secrets, with the least rights.", "Use a password script or a secret, and an account that may only switch power."),
    (45, FENCING, "A", "The inequalities of SBD hold.", "See `ninefold design timing`."),
    (46, FENCING, "A", "The cluster does not start by itself after fencing, unless so decided.", "Disable the cluster's units at boot, or decide to keep them."),
    (47, STORAGE, "A", "Storage has several paths, and what happens when all are lost fits the monitors' timeouts.", "Set no_path_retry to a number; see `ninefold design timing`."),
    (48, STORAGE, "A", "Volumes are active on one node only (system_id, lvmlockd, reservations).", "Set vg_access_mode=system_id on the LVM-activate resource."),
    (49, STORAGE, "A", "No file system of the cluster is mounted by fstab.", "Remove it, or add `noauto`."),
    (50, STORAGE, "A", "DRBD has quorum, or resource-and-stonith with fence-peer handlers; its backing device is never mounted.", "Set `fencing resource-and-stonith` and the handlers, or `quorum majority`."),
    (51, STORAGE, "A", "The lag of replicas is watched, and promotion heeds the recovery point.", "Alert on the lag, and refuse promotion beyond the RPO."),
    (52, STORAGE, "M", "Backups exist and restoring has been tested; high availability is no backup.", "Restore one now, and put it on the calendar."),
    (53, RESOURCES, "A", "Every resource has a monitor, its timeouts as the agent advises and twice what is measured.", "Add a monitor operation to each."),
    (54, RESOURCES, "A", "The timeout of stop is realistic: a failed stop is a fencing.", "Set a stop timeout on each resource, twice what is measured."),
    (55, RESOURCES, "A", "No resource is enabled in systemd at the same time.", "Disable the unit: the cluster starts it."),
    (56, RESOURCES, "A", "Clones have interleave=true.", "Set it, or every node waits for all others."),
    (57, RESOURCES, "A", "Stickiness, migration-threshold and failure-timeout are set.", "Set them in rsc_defaults."),
    (58, RESOURCES, "A", "No cli-ban or cli-prefer constraint, no orphan and no old fail count is left.", "`ninefold resource clear` and `cleanup`."),
    (59, RESOURCES, "A", "Constraints form no cycle, and every resource has a place.", "Remove one order of the cycle, or the ban."),
    (60, RESOURCES, "A", "Dependencies are complete (address and application, export and file system).", "Give colocated resources an order, and ordered ones a colocation, or group them."),
    (61, OPERATIONS, "A", "Quorum, unclean nodes, failed fencing, fail counts, long maintenance and lost redundancy raise alerts.", "Watch the exporter's metrics, and test the alert's path."),
    (62, OPERATIONS, "A", "Logs survive a reboot and leave the node.", "Make the journal persistent and ship it."),
    (63, OPERATIONS, "A", "The cluster stops before what it needs (D-Bus, libvirt, storage) at shutdown.", "Add a drop-in with After= to the cluster's unit."),
    (64, OPERATIONS, "M", "There are runbooks: node dead, split, fencing fails, storage lost, everything off.", "Write them, and use them in a drill."),
    (65, OPERATIONS, "A", "The drills passed before going live, and a part is repeated each quarter.", "Run the plan, and keep the measured times in the model."),
    (66, OPERATIONS, "M", "Changes are staged, simulated, can be taken back, and are audited.", "Try changes in the lab first; say who may change what."),
)  # fmt: skip
