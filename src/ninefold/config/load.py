"""From the text of a `corosync.conf` to a configuration that may be run, or to all reasons why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.config import explain, security
from ninefold.config.grammar import parse
from ninefold.config.judge import judge_links, judge_logging, judge_rest, judge_totem
from ninefold.config.ledger import Ledger
from ninefold.config.model import ClusterConfig
from ninefold.config.nodelist import find_local, judge_nodes
from ninefold.config.settings import Settings, gather
from ninefold.config.voting import judge_quorum
from ninefold.core.findings import Finding, errors

if TYPE_CHECKING:
    from ninefold.config.surroundings import Surroundings


def load(
    text: str, *, file: str, surroundings: Surroundings
) -> tuple[ClusterConfig | None, list[Finding]]:
    """Return the configuration, or None when a finding is an error; and all findings by line.

    Never raises on any text. `file` is only for the findings.
    """
    config, _, findings = _read(text, file, surroundings)
    return (None if errors(findings) else config), findings


def check(text: str, file: str, surroundings: Surroundings) -> explain.CheckReport:
    """Return the findings about `text` and the value that every key takes, for people to read.

    Values are given also when findings forbid running: a key that is wrong shows its default.
    """
    config, settings, findings = _read(text, file, surroundings)
    values = explain.effective(settings, config)
    return explain.CheckReport(file, not errors(findings), tuple(findings), values)


def authkey(text: str, surroundings: Surroundings) -> bytes:
    """Return the shared key of the ring: the inline one, or the key file's bytes; else nothing.

    It is kept out of `ClusterConfig`, which is shown and logged.
    """
    settings = gather(parse(text)[0], Ledger(""))
    return security.authkey(settings, surroundings)


def _read(
    text: str, file: str, surroundings: Surroundings
) -> tuple[ClusterConfig, Settings, list[Finding]]:
    tree, malformed = parse(text, file=file)
    ledger = Ledger(file)
    settings = gather(tree, ledger)
    nodes = judge_nodes(settings, surroundings, ledger)
    local = find_local(settings, nodes, surroundings, ledger)
    crypto = security.judge_crypto(settings, surroundings, ledger)
    totem = judge_totem(settings, nodes, crypto, ledger)
    links = judge_links(settings, nodes, totem, ledger)
    quorum = judge_quorum(settings, nodes, ledger)
    logging = judge_logging(settings, ledger)
    judge_rest(settings, surroundings, ledger)
    config = ClusterConfig(local, nodes, totem, links, quorum, logging)
    findings = sorted([*malformed, *ledger.findings()], key=lambda finding: finding.line)
    return config, settings, findings
