"""Dropping packets on the bridges: a set of blocks, made into nftables rules in one transaction.

Level, not edge: the table is written anew from the whole set of blocks each time, so that a cut of
several links or hosts happens at one instant and nothing is left over. Carrier stays up on every
port, as behind a dead switch further away. Speaks netlink itself: the `nft` program is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFT_MSG_DELTABLE,
    NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWRULE,
    NFT_MSG_NEWTABLE,
    NFTSocket,
    nft_chain_msg,
    nft_rule_msg,
    nft_table_msg,
)
from pyroute2.nftables.expressions import genex, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ninefold.lab.model import Block

TABLE: Final = "ninefold"

# <linux/netfilter.h>, <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>
_NFPROTO_BRIDGE: Final = 7
_SUBSYS_NFTABLES: Final = 10
_BATCH_BEGIN: Final = 0x10
_BATCH_END: Final = 0x11
_NF_DROP: Final = 0
_NF_ACCEPT: Final = 1
_META_IIFNAME: Final = 6
_META_OIFNAME: Final = 7
_REGISTER: Final = 1
_EQUAL: Final = 0
_IFNAMSIZ: Final = 16

# Chain name: (netfilter hook number, what it sees).
_CHAINS: Final = {"from": 0, "between": 2, "to": 4}
_CREATE: Final = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND


class Filter:
    """The bridge family's table of the network namespace in which this was made."""

    def __init__(self, port: Callable[[int, str], str]) -> None:
        """`port` names the bridge port of (link, host)."""
        self._port = port
        self._socket = NFTSocket(nfgen_family=_NFPROTO_BRIDGE)

    def apply(self, blocks: Iterable[Block]) -> None:
        """Drop exactly what `blocks` says from now on."""
        messages = [
            _batch(_BATCH_BEGIN),
            _table(NFT_MSG_NEWTABLE, _CREATE),
            _table(NFT_MSG_DELTABLE, NLM_F_REQUEST | NLM_F_ACK),
            _table(NFT_MSG_NEWTABLE, _CREATE),
            *(_chain(name, hook) for name, hook in _CHAINS.items()),
            *(self._rule(block) for block in blocks),
            _batch(_BATCH_END),
        ]
        self._socket.nlm_request_batch(messages)

    def _rule(self, block: Block) -> Any:
        expressions = []
        if block.source:
            expressions += _named(_META_IIFNAME, self._port(block.link, block.source))
        if block.target:
            expressions += _named(_META_OIFNAME, self._port(block.link, block.target))
        assert expressions
        chain = "between" if block.source and block.target else "from" if block.source else "to"
        attributes = [
            ("NFTA_RULE_TABLE", TABLE),
            ("NFTA_RULE_CHAIN", chain),
            ("NFTA_RULE_EXPRESSIONS", [*expressions, *verdict(_NF_DROP)]),
        ]
        return _message(nft_rule_msg(), NFT_MSG_NEWRULE, _CREATE, attributes)


def _named(key: int, interface: str) -> list[Any]:
    """Match packets whose interface (in or out, by `key`) is called `interface`."""
    value = {"attrs": [("NFTA_DATA_VALUE", interface.encode().ljust(_IFNAMSIZ, b"\0"))]}
    return [
        genex("meta", {"key": key, "dreg": _REGISTER}),
        genex("cmp", {"sreg": _REGISTER, "op": _EQUAL, "data": value}),
    ]


def _table(kind: int, flags: int) -> Any:
    return _message(nft_table_msg(), kind, flags, [("NFTA_TABLE_NAME", TABLE)])


def _chain(name: str, hook: int) -> Any:
    place = {"attrs": [["NFTA_HOOK_HOOKNUM", hook], ["NFTA_HOOK_PRIORITY", 0]]}
    attributes = [
        ("NFTA_CHAIN_TABLE", TABLE),
        ("NFTA_CHAIN_NAME", name),
        ("NFTA_CHAIN_HOOK", place),
        ("NFTA_CHAIN_TYPE", "filter"),
        ("NFTA_CHAIN_POLICY", _NF_ACCEPT),
    ]
    return _message(nft_chain_msg(), NFT_MSG_NEWCHAIN, _CREATE, attributes)


def _message(message: Any, kind: int, flags: int, attributes: list[Any]) -> Any:
    message["attrs"] = attributes
    message["header"]["type"] = (_SUBSYS_NFTABLES << 8) | kind
    message["header"]["flags"] = flags
    message["nfgen_family"] = _NFPROTO_BRIDGE
    return message


def _batch(kind: int) -> Any:
    message = nfgen_msg()
    message["res_id"] = _SUBSYS_NFTABLES
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST
    return message
