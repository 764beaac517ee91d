"""The rules across keys of totem, its interfaces, logging and the rest.

Each rule notes what it finds and goes on; what comes back is only meant for use when nothing that
forbids running was noted. Nodes, quorum and crypto have files of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.config import keys, timers
from ninefold.config.model import LinkOptions, LoggingOptions, NodeEntry, TotemOptions

if TYPE_CHECKING:
    from ninefold.config.ledger import Ledger
    from ninefold.config.security import Crypto
    from ninefold.config.settings import Group, Settings
    from ninefold.config.surroundings import Surroundings

VERSION: Final = 2
# From this size on, simultaneous joins should be spread (corosync.conf(5), send_join).
_SEND_JOIN_NODES: Final = 32


def judge_totem(
    settings: Settings, nodes: tuple[NodeEntry, ...], crypto: Crypto, ledger: Ledger
) -> TotemOptions:
    """Return the options of the ring with all derived timers."""
    totem = settings["totem"]
    _judge_version(totem, ledger)
    _judge_transport(totem, nodes, ledger)
    token = timers.effective_token(
        totem.integer("token"), totem.integer("token_coefficient"), len(nodes)
    )
    retransmits = totem.integer("token_retransmits_before_loss_const")
    retransmit = totem.given("token_retransmit") or timers.token_retransmit(token, retransmits)
    options = TotemOptions(
        token=token,
        token_configured=totem.integer("token"),
        token_coefficient=totem.integer("token_coefficient"),
        token_warning=totem.integer("token_warning"),
        token_retransmits_before_loss_const=retransmits,
        token_retransmit=retransmit,
        hold=totem.given("hold") or timers.hold(retransmit),
        join=totem.integer("join"),
        send_join=totem.integer("send_join"),
        consensus=totem.given("consensus") or timers.consensus(token),
        merge=totem.integer("merge"),
        downcheck=totem.integer("downcheck"),
        fail_recv_const=totem.integer("fail_recv_const"),
        seqno_unchanged_const=totem.integer("seqno_unchanged_const"),
        miss_count_const=totem.integer("miss_count_const"),
        window_size=totem.integer("window_size"),
        max_messages=totem.integer("max_messages"),
        cancel_token_hold_on_retransmit=totem.flag("cancel_token_hold_on_retransmit"),
        link_mode=totem.text("link_mode"),
        crypto_cipher=crypto.cipher,
        crypto_hash=crypto.hash,
        keyfile=totem.text("keyfile"),
        key=totem.text("key"),
        netmtu=totem.integer("netmtu"),
        knet_mtu=totem.integer("knet_mtu"),
        knet_pmtud_interval=totem.integer("knet_pmtud_interval") * 1000,
        block_unlisted_ips=totem.flag("block_unlisted_ips"),
        cluster_name=totem.text("cluster_name"),
        config_version=totem.integer("config_version"),
        kernel_probe=totem.flag("ninefold_probe"),
    )
    _judge_timers(totem, options, ledger)
    _judge_flow(totem, options, nodes, ledger)
    return options


def _judge_version(totem: Group, ledger: Ledger) -> None:
    remedy = f"Write `version: {VERSION}` in the totem section."
    if "version" not in totem:
        if not totem.mentions("version"):
            sentence = "The totem section gives no version."
            ledger.error("no-version", "totem.version", sentence, remedy, totem.line)
    elif totem.integer("version") != VERSION:
        sentence = f"Version {totem.integer('version')} of the format is not known."
        ledger.error("bad-version", "totem.version", sentence, remedy, totem.at("version"))


def _judge_transport(totem: Group, nodes: tuple[NodeEntry, ...], ledger: Ledger) -> None:
    """Take the old transports for what they mean: one link over UDP.

    The wire is Ninefold's own in any case, so a file for udpu means a one-link knet here.
    """
    transport = totem.text("transport")
    if transport == "knet":
        return
    ledger.warning(
        "old-transport",
        "totem.transport",
        f"{transport} is deprecated; Ninefold treats it as knet with one link.",
        "Write `transport: knet`, which also allows several links and encryption.",
        totem.at("transport"),
    )
    if any(len(node.links) > 1 for node in nodes):
        ledger.error(
            "one-link-only",
            "totem.transport",
            f"{transport} has one link, but the nodes have several addresses.",
            "Write `transport: knet`.",
            totem.at("transport"),
        )


def _judge_timers(totem: Group, options: TotemOptions, ledger: Ledger) -> None:
    if options.token_retransmit < timers.TIMER_MS_MIN or options.hold < timers.HOLD_MS_MIN:
        ledger.error(
            "token-too-short",
            "totem.token",
            f"A token of {options.token} ms with"
            f" {options.token_retransmits_before_loss_const} retransmissions is sent again"
            f" every {options.token_retransmit} ms; the least is {timers.TIMER_MS_MIN} ms.",
            "Raise token, or lower token_retransmits_before_loss_const.",
            totem.at("token" if "token" in totem else "token_retransmits_before_loss_const"),
        )
    if options.token_retransmit >= options.token:
        ledger.warning(
            "token-never-retransmitted",
            "totem.token_retransmit",
            f"{options.token_retransmit} ms is not below the token of {options.token} ms:"
            " one lost packet splits the ring.",
            "Remove the line; it is derived from token.",
            totem.at("token_retransmit"),
        )
    line = totem.at("consensus")
    if options.consensus < options.join:
        ledger.error(
            "consensus-below-join",
            "totem.consensus",
            f"{options.consensus} ms is less than join, {options.join} ms.",
            "Remove the line; it is derived from token.",
            line,
        )
    if options.consensus < options.token:
        ledger.error(
            "consensus-below-token",
            "totem.consensus",
            f"{options.consensus} ms is less than the token of {options.token} ms: nodes that"
            " still wait for the token would be thrown out.",
            f"Give at least {timers.consensus(options.token)} ms (1.2 x token), or remove the line.",
            line,
        )
    elif options.consensus < timers.consensus(options.token):
        ledger.warning(
            "consensus-short",
            "totem.consensus",
            f"{options.consensus} ms is less than 1.2 x the token of {options.token} ms.",
            f"Give at least {timers.consensus(options.token)} ms, or remove the line.",
            line,
        )


def _judge_flow(
    totem: Group, options: TotemOptions, nodes: tuple[NodeEntry, ...], ledger: Ledger
) -> None:
    if options.max_messages > options.window_size:
        ledger.warning(
            "max-messages-above-window",
            "totem.max_messages",
            f"{options.max_messages} is more than the window of {options.window_size}.",
            "Lower it, or raise window_size.",
            totem.at("max_messages"),
        )
    if len(nodes) > _SEND_JOIN_NODES and not options.send_join:
        ledger.warning(
            "send-join",
            "totem.send_join",
            f"{len(nodes)} nodes would answer a lost token all at once.",
            "Write `send_join: 80`.",
            totem.line,
        )


def judge_links(
    settings: Settings, nodes: tuple[NodeEntry, ...], totem: TotemOptions, ledger: Ledger
) -> tuple[LinkOptions, ...]:
    """Return the options of each link that the nodes use."""
    sections: dict[int, Group] = {}
    used = sorted({number for node in nodes for number in node.links})
    for group in settings.interfaces:
        number = group.integer("linknumber")
        line = group.at("linknumber")
        if number in sections:
            ledger.warning(
                "interface-twice",
                "totem.interface",
                f"Link {number} has a section already in line {sections[number].line}.",
                "Put both into one section.",
                line,
            )
            sections[number].values.update(group.values)
            sections[number].lines.update(group.lines)
            continue
        sections[number] = group
        if number >= keys.LINKS_MAX:
            ledger.error(
                "unknown-link",
                "totem.interface.linknumber",
                f"Link {number} is beyond the highest, {keys.LINKS_MAX - 1}.",
                f"Use a number from 0 to {keys.LINKS_MAX - 1}.",
                line,
            )
        elif nodes and number not in used:
            ledger.warning(
                "unused-link",
                "totem.interface.linknumber",
                f"No node has a ring{number}_addr.",
                f"Add ring{number}_addr to every node, or remove the section.",
                line,
            )
        _judge_interface(group, settings["totem"], ledger)
    _judge_ports(sections, ledger)
    return tuple(_link(number, sections.get(number), settings, totem, ledger) for number in used)


def _judge_interface(group: Group, totem: Group, ledger: Ledger) -> None:
    if "ttl" in group and totem.text("transport") != "udp" and group.integer("ttl") != 1:
        ledger.error(
            "ttl-without-multicast",
            "totem.interface.ttl",
            "A ttl is only for multicast (transport udp).",
            "Remove the line.",
            group.at("ttl"),
        )
    if group.text("knet_transport") == "sctp":
        ledger.error(
            "sctp",
            "totem.interface.knet_transport",
            "sctp is deprecated in Corosync and not spoken here.",
            "Write `knet_transport: udp`.",
            group.at("knet_transport"),
        )


def _judge_ports(sections: dict[int, Group], ledger: Ledger) -> None:
    """One address may carry several links, but not on one port."""
    seen: dict[int, int] = {}
    for number, group in sorted(sections.items()):
        port = group.given("mcastport")
        if port is None:
            continue
        if port in seen:
            ledger.warning(
                "port-twice",
                "totem.interface.mcastport",
                f"Link {number} has the same port as link {seen[port]}.",
                "Give each link its own port, or remove both lines.",
                group.at("mcastport"),
            )
        seen.setdefault(port, number)


def _link(
    number: int, group: Group | None, settings: Settings, totem: TotemOptions, ledger: Ledger
) -> LinkOptions:
    if group is None:
        group = settings["totem.interface"]
    pongs = group.integer("knet_pong_count")
    interval = group.given("knet_ping_interval") or timers.ping_interval(totem.token, pongs)
    timeout = group.given("knet_ping_timeout") or timers.ping_timeout(totem.token, pongs)
    if timeout < interval:
        ledger.warning(
            "ping-timeout-below-interval",
            "totem.interface.knet_ping_timeout",
            f"Link {number} is given up after {timeout} ms but pinged every {interval} ms.",
            "Make the timeout at least twice the interval, or remove both lines.",
            group.at("knet_ping_timeout"),
        )
    return LinkOptions(
        linknumber=number,
        priority=group.integer("knet_link_priority"),
        ping_interval=interval,
        ping_timeout=timeout,
        ping_precision=group.integer("knet_ping_precision"),
        pong_count=pongs,
    )


def judge_logging(settings: Settings, ledger: Ledger) -> LoggingOptions:
    """Return the options of logging."""
    logging = settings["logging"]
    if logging.flag("to_logfile") and not logging.mentions("logfile"):
        ledger.warning(
            "no-logfile",
            "logging.logfile",
            "to_logfile is on, but no file is named: nothing is written.",
            "Write `logfile: /var/log/cluster/corosync.log`.",
            logging.at("to_logfile"),
        )
    for group in settings.subsystems:
        if not group.mentions("subsys"):
            ledger.error(
                "no-subsys",
                "logging.logger_subsys.subsys",
                "The section does not say which subsystem it is about.",
                "Add `subsys:` with its name.",
                group.line,
            )
    return LoggingOptions(
        to_stderr=logging.flag("to_stderr"),
        to_syslog=logging.flag("to_syslog"),
        to_logfile=logging.flag("to_logfile"),
        logfile=logging.text("logfile"),
        debug=logging.text("debug"),
        timestamp=logging.text("timestamp"),
        syslog_facility=logging.text("syslog_facility"),
    )


def judge_rest(settings: Settings, surroundings: Surroundings, ledger: Ledger) -> None:
    """Judge uidgid and system, which matter to Corosync only."""
    for group in settings.uidgids:
        for name, known, what in (
            ("uid", surroundings.users, "user"),
            ("gid", surroundings.groups, "group"),
        ):
            value = group.text(name)
            if value and not value.isdecimal() and value not in known:
                ledger.error(
                    f"unknown-{what}",
                    f"uidgid.{name}",
                    f"There is no {what} `{value}` on this host.",
                    f"Create the {what}, or correct the name.",
                    group.at(name),
                )
    system = settings["system"]
    priority = system.text("priority")
    if priority and priority not in {"max", "min"} and not priority.lstrip("-").isdecimal():
        ledger.error(
            "bad-priority",
            "system.priority",
            f"`{priority}` is no priority.",
            "Write max, min or a number.",
            system.at("priority"),
        )
