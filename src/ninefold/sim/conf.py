"""The `corosync.conf` of a virtual cluster, as each of its hosts reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.config.load import load
from ninefold.config.surroundings import KeyFile, Surroundings

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig


def read_conf(text: str, key: bytes) -> list[ClusterConfig]:
    """Return the configuration of each node, which all hold `key`; `ValueError` if it has errors."""
    hosts = [line.split(":")[1].strip() for line in text.splitlines() if "ring0_addr" in line]
    configs = []
    for address in hosts:
        surroundings = Surroundings(addresses=(address,), keyfile=KeyFile(size=len(key), data=key))
        config, findings = load(text, file="corosync.conf", surroundings=surroundings)
        if config is None:
            raise ValueError("\n".join(map(str, findings)))
        configs.append(config)
    return configs


def plain_majority(config: ClusterConfig) -> bool:
    """Whether nothing but a majority of all votes has quorum."""
    options = config.quorum
    return not (
        options.two_node
        or options.auto_tie_breaker
        or options.last_man_standing
        or options.allow_downscale
    )
