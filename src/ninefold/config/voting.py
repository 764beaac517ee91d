"""The quorum section: rules across its keys, and the options that follow (specs/totem.md §11).

Corosync finds several of these only when it starts, by switching an option off or by exiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.config.model import DeviceOptions, NodeEntry, QuorumOptions

if TYPE_CHECKING:
    from ninefold.config.ledger import Ledger
    from ninefold.config.settings import Settings

_NOT_WITH_DEVICE: Final = ("two_node", "last_man_standing", "auto_tie_breaker", "allow_downscale")


def judge_quorum(settings: Settings, nodes: tuple[NodeEntry, ...], ledger: Ledger) -> QuorumOptions:
    """Return the options of quorum that take effect; those that cannot are off, and noted."""
    quorum = settings["quorum"]
    if "provider" not in quorum:
        if not quorum.mentions("provider") and len(nodes) > 1:
            ledger.warning(
                "no-quorum",
                "quorum.provider",
                "There is no quorum provider: every partition may act, also two at once.",
                "Write `provider: corosync_votequorum` in the quorum section.",
                quorum.line,
            )
        return QuorumOptions()
    total = sum(node.quorum_votes for node in nodes)
    device = _device(settings, nodes, ledger)
    _judge_votes(settings, nodes, total, ledger)
    two_node = quorum.flag("two_node") and _two_node_holds(settings, nodes, ledger)
    wait_for_all = quorum.flag("wait_for_all") if "wait_for_all" in quorum else two_node
    odd = total % 2 == 1
    return QuorumOptions(
        provider=quorum.text("provider"),
        expected_votes=quorum.given("expected_votes") or 0,
        two_node=two_node,
        wait_for_all=wait_for_all,
        auto_tie_breaker=quorum.flag("auto_tie_breaker")
        and _tie_breaker_holds(settings, nodes, odd=odd, ledger=ledger),
        auto_tie_breaker_node=quorum.text("auto_tie_breaker_node"),
        last_man_standing=quorum.flag("last_man_standing")
        and _last_man_holds(settings, nodes, ledger),
        last_man_standing_window=quorum.integer("last_man_standing_window"),
        allow_downscale=quorum.flag("allow_downscale"),
        expected_votes_tracking=quorum.flag("expected_votes_tracking")
        or quorum.flag("allow_downscale"),
        device=device,
    )


def _judge_votes(
    settings: Settings, nodes: tuple[NodeEntry, ...], total: int, ledger: Ledger
) -> None:
    quorum = settings["quorum"]
    expected = quorum.given("expected_votes")
    if nodes and total == 0:
        ledger.error(
            "no-votes",
            "nodelist.node.quorum_votes",
            "No node has a vote, so there can be no quorum.",
            "Give at least one node a vote.",
        )
    if expected is not None and expected < total:
        ledger.warning(
            "expected-votes-low",
            "quorum.expected_votes",
            f"{expected} is less than the {total} votes of the nodelist; it rises to them.",
            "Remove the line: the nodelist says how many votes there are.",
            quorum.at("expected_votes"),
        )
    elif expected is not None and expected > total and "quorum.device" not in settings.merged:
        ledger.warning(
            "expected-votes-high",
            "quorum.expected_votes",
            f"{expected} is more than the {total} votes of the nodelist.",
            "Remove the line, unless votes are to be missing.",
            quorum.at("expected_votes"),
        )
    if quorum.flag("allow_downscale"):
        ledger.warning(
            "downscale",
            "quorum.allow_downscale",
            "Nodes that leave cleanly lower the expected votes: the rest may run without them.",
            "Use it only if nodes are removed for good by stopping them.",
            quorum.at("allow_downscale"),
        )


def _two_node_holds(settings: Settings, nodes: tuple[NodeEntry, ...], ledger: Ledger) -> bool:
    quorum = settings["quorum"]
    line = quorum.at("two_node")
    if quorum.flag("auto_tie_breaker"):
        ledger.warning(
            "two-node-and-tie-breaker",
            "quorum.two_node",
            "auto_tie_breaker switches two_node off.",
            "Keep one of the two.",
            line,
        )
        return False
    if len(nodes) > 2:
        ledger.warning(
            "two-node-of-many",
            "quorum.two_node",
            f"It has no effect with {len(nodes)} nodes.",
            "Remove the line.",
            line,
        )
        return False
    if "wait_for_all" in quorum and not quorum.flag("wait_for_all"):
        ledger.warning(
            "two-node-without-waiting",
            "quorum.wait_for_all",
            "A node that starts while the other runs cut off would fence it, in turns.",
            "Remove the line: two_node then waits for all.",
            quorum.at("wait_for_all"),
        )
    elif "wait_for_all" not in quorum:
        ledger.info(
            "two-node-waits",
            "quorum.two_node",
            "It switches wait_for_all on: after a full stop both nodes must be seen once.",
            line=line,
        )
    return True


def _tie_breaker_holds(
    settings: Settings, nodes: tuple[NodeEntry, ...], *, odd: bool, ledger: Ledger
) -> bool:
    quorum = settings["quorum"]
    _judge_tie_breaker_node(settings, nodes, ledger)
    if not odd or quorum.flag("wait_for_all"):
        return True
    if quorum.flag("last_man_standing"):
        ledger.error(
            "tie-breaker-and-last-man-odd",
            "quorum.auto_tie_breaker",
            "With an odd number of votes it excludes last_man_standing without wait_for_all.",
            "Add `wait_for_all: 1`, or remove one of the two.",
            quorum.at("auto_tie_breaker"),
        )
    else:
        ledger.warning(
            "tie-breaker-odd",
            "quorum.auto_tie_breaker",
            "With an odd number of votes and no wait_for_all it is switched off.",
            "Remove the line (an odd number has no tie), or add `wait_for_all: 1`.",
            quorum.at("auto_tie_breaker"),
        )
    return False


def _judge_tie_breaker_node(
    settings: Settings, nodes: tuple[NodeEntry, ...], ledger: Ledger
) -> None:
    quorum = settings["quorum"]
    written = quorum.text("auto_tie_breaker_node")
    if written in {"lowest", "highest"}:
        return
    known = [str(node.nodeid) for node in nodes]
    wrong = [word for word in written.split() if word not in known]
    if wrong:
        ledger.error(
            "bad-tie-breaker-node",
            "quorum.auto_tie_breaker_node",
            f"`{' '.join(wrong)[:60]}` is no node id of the nodelist.",
            "Write lowest, highest, or node ids separated by spaces.",
            quorum.at("auto_tie_breaker_node"),
        )


def _last_man_holds(settings: Settings, nodes: tuple[NodeEntry, ...], ledger: Ledger) -> bool:
    quorum = settings["quorum"]
    if any(node.quorum_votes != 1 for node in nodes):
        ledger.warning(
            "last-man-uneven",
            "quorum.last_man_standing",
            "It is switched off because a node has not exactly one vote.",
            "Give every node one vote, or remove the line.",
            quorum.at("last_man_standing"),
        )
        return False
    if not quorum.flag("wait_for_all") and not quorum.flag("two_node"):
        ledger.warning(
            "last-man-without-waiting",
            "quorum.last_man_standing",
            "Nodes that start together may be a majority of their own beside the last men's partition.",
            "Add `wait_for_all: 1`.",
            quorum.at("last_man_standing"),
        )
    return True


def _device(
    settings: Settings, nodes: tuple[NodeEntry, ...], ledger: Ledger
) -> DeviceOptions | None:
    if "quorum.device" not in settings.merged:
        return None
    quorum, device, net = (settings[s] for s in ("quorum", "quorum.device", "quorum.device.net"))
    if "model" not in device:
        ledger.error(
            "no-device-model",
            "quorum.device.model",
            "The device has no model.",
            "Write `model: net`.",
            device.line,
        )
    for name in _NOT_WITH_DEVICE:
        if quorum.flag(name):
            ledger.error(
                "not-with-device",
                f"quorum.{name}",
                "It excludes a quorum device.",
                "Keep one of the two.",
                quorum.at(name),
            )
    ledger.warning(
        "device-needs-corosync",
        "quorum.device",
        "Ninefold's own ring asks no quorum device; its votes count as missing.",
        "Run on Corosync's messaging, or remove the device.",
        device.line,
    )
    votes = _device_votes(settings, nodes, ledger)
    return DeviceOptions(
        model=device.text("model"),
        votes=votes,
        timeout=device.integer("timeout"),
        sync_timeout=device.integer("sync_timeout"),
        master_wins=device.flag("master_wins"),
        host=net.text("host"),
        port=net.integer("port"),
        algorithm=net.text("algorithm"),
        tie_breaker=net.text("tie_breaker"),
    )


def _device_votes(settings: Settings, nodes: tuple[NodeEntry, ...], ledger: Ledger) -> int:
    quorum, device = settings["quorum"], settings["quorum.device"]
    total = sum(node.quorum_votes for node in nodes)
    votes = device.given("votes")
    subject = "quorum.device.votes"
    if votes is None:
        remedy = "Write how many votes the device has."
        if "expected_votes" in quorum:
            sentence = "With expected_votes given, the device's votes must be given too."
            ledger.error("no-device-votes", subject, sentence, remedy, device.line)
        if any(node.quorum_votes != 1 for node in nodes):
            sentence = "With uneven votes of the nodes, the device's votes must be given."
            ledger.error("no-device-votes", subject, sentence, remedy, device.line)
        return max(0, total - 1)
    if votes > max(0, total - 1):
        ledger.error(
            "device-votes-high",
            subject,
            f"{votes} votes would outweigh the nodes, which have {total}.",
            f"Give the device at most {max(0, total - 1)} votes.",
            device.at("votes"),
        )
    return votes
