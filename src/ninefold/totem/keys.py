"""The cluster's shared keys as values: the one in use, and those that a rotation has to do with.

A key is named by its fingerprint, eight hexadecimal digits that tell nothing of it. The first of
their bytes gives the id in the packets' header, so the keys of one set must differ in it: then the
id alone says which key to try. Nothing here shows a key's bytes by accident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ninefold.core.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import Callable

# An authkey has 128 to 4096 bytes (corosync-keygen: 256); the configuration's judge insists on
# 128. Below 16 bytes it could be guessed, and that we refuse to run with at all.
AUTHKEY_BYTES_MIN: Final = 16
# What corosync-keygen writes, and so do we.
KEY_BYTES: Final = 256
FINGERPRINT_BYTES: Final = 4
# Id 0 is for packets in clear.
KEY_IDS: Final = 255

_SALT: Final = b"ninefold totem links v1"


class Key(msgspec.Struct, frozen=True):
    """One shared key: its bytes, and the name that may be shown."""

    material: bytes
    fingerprint: str

    @classmethod
    def of(cls, material: bytes) -> Key:
        """Return the key of these bytes; empty ones are no key."""
        if not material:
            return cls(b"", "")
        name = HKDF(hashes.SHA256(), FINGERPRINT_BYTES, _SALT, b"fingerprint").derive(material)
        return cls(material, name.hex())

    @property
    def key_id(self) -> int:
        """What stands in the header of packets under this key; 0 for no key."""
        return 1 + int(self.fingerprint[:2], 16) % KEY_IDS if self.fingerprint else 0

    def __repr__(self) -> str:
        """Name the key without telling it: this may end in a log."""
        return f"Key({self.fingerprint or 'none'})"


NO_KEY: Final = Key.of(b"")


class KeySet(msgspec.Struct, frozen=True):
    """What one node holds: it sends under `active`, and takes packets under any of the three.

    `without` has the nodes that an operator left out of the rotation under way, sorted.
    """

    active: Key = NO_KEY
    next: Key | None = None
    previous: Key | None = None
    without: tuple[NodeId, ...] = ()

    @property
    def accepted(self) -> tuple[Key, ...]:
        """All that packets may be sealed with, the one we send with first."""
        return tuple(key for key in (self.active, self.next, self.previous) if key is not None)

    @property
    def distinct(self) -> bool:
        """Whether the header's id tells the keys apart."""
        ids = [key.key_id for key in self.accepted]
        return len(set(ids)) == len(ids)


def keyset(key: bytes) -> KeySet:
    """Return the set of a node that holds one key."""
    return KeySet(Key.of(key))


def fresh_key(keys: KeySet, draw: Callable[[int], bytes]) -> Key:
    """Return a key of bytes that `draw` gives, whose id differs from those in use."""
    while True:
        key = Key.of(draw(KEY_BYTES))
        if KeySet(keys.active, key, keys.previous).distinct:
            return key
