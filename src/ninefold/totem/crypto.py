"""Sealing packets: AES-256-GCM under keys that are derived from the cluster's authkey.

Theorem: a body is opened only if a holder of the authkey sealed exactly that body under exactly
that header. And: no (key, nonce) pair is ever used twice. The key belongs to one (authkey, cluster,
sender, epoch); the epoch is drawn at random at each start of the daemon; the nonce is the link
and that link's 64-bit counter, which only grows and is never stored. Two boots of one node share
a key only if they draw the same 64-bit epoch: after 65 536 restarts that chance is 2^-33. (A
virtual machine that is set back to a snapshot of its memory repeats its counters; its peers refuse
them as replays, and the daemon should be restarted.)

While keys are rotated (`rotation`) a node holds up to three authkeys. It seals with one and opens with
any; the counters go on, since another authkey makes another key.

`crypto_cipher` aes128, aes192 and aes256, and any `crypto_hash`, also a hash without a cipher, all
mean AES-256-GCM here: nothing weaker than what was asked for is ever used. Only `none` with
`none` sends in clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from ninefold.totem.keys import AUTHKEY_BYTES_MIN

if TYPE_CHECKING:
    from ninefold.config.model import TotemOptions
    from ninefold.core.ids import NodeId
    from ninefold.totem.keys import KeySet

KEY_ID_CLEAR: Final = 0
# AES-GCM appends 16 bytes of authentication.
TAG_BYTES: Final = 16

_SALT: Final = b"ninefold totem links v1"


class PacketKey(Protocol):
    """What seals and opens the packets of one sender in one epoch."""

    def seal(self, link: int, counter: int, header: bytes, body: bytes) -> bytes:
        """Return what follows the header on the wire. No (link, counter) may be used twice."""

    def open(self, link: int, counter: int, header: bytes, sealed: bytes) -> bytes | None:
        """Return the body, or None if it was not sealed under this key and header."""


class GcmKey:
    """AES-256-GCM; the nonce is the link in 4 bytes and the counter in 8."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == 32
        self._cipher = AESGCM(key)

    def seal(self, link: int, counter: int, header: bytes, body: bytes) -> bytes:
        """Return ciphertext and tag."""
        nonce = link << 64 | counter
        return self._cipher.encrypt(nonce.to_bytes(12, "big"), body, header)

    def open(self, link: int, counter: int, header: bytes, sealed: bytes) -> bytes | None:
        """Return the body, or None if ciphertext, header, link or counter were altered."""
        nonce = link << 64 | counter
        try:
            return self._cipher.decrypt(nonce.to_bytes(12, "big"), sealed, header)
        except InvalidTag:
            return None


class ClearKey:
    """No crypto configured: the same framing, nothing hidden and nothing proven."""

    def seal(self, link: int, counter: int, header: bytes, body: bytes) -> bytes:
        """Return the body."""
        return body

    def open(self, link: int, counter: int, header: bytes, sealed: bytes) -> bytes | None:
        """Return the body, whoever wrote it."""
        return sealed


class Keyring:
    """Derives each sender's key of each epoch from the authkeys (HKDF-SHA256)."""

    def __init__(self, options: TotemOptions, keys: KeySet) -> None:
        self.clear = options.crypto_cipher == "none" and options.crypto_hash == "none"
        self._cluster = options.cluster_name.encode()
        # Key id -> the 32 uniform bytes that are left of an authkey of any length.
        self.secrets: dict[int, bytes] = {}
        self.install(keys)

    def install(self, keys: KeySet) -> None:
        """Send under `keys.active` from now on, and accept all of `keys`."""
        self.keys = keys
        # The key id to send under, kept since every packet asks for it.
        self.key_id = KEY_ID_CLEAR if self.clear else keys.active.key_id
        if self.clear:
            return
        assert keys.distinct
        assert all(len(key.material) >= AUTHKEY_BYTES_MIN for key in keys.accepted)
        self.secrets = {key.key_id: _extract(key.material) for key in keys.accepted}

    @property
    def overhead(self) -> int:
        """Bytes that sealing adds to a body."""
        return 0 if self.clear else TAG_BYTES

    def accepts(self, key_id: int) -> bool:
        """Tell whether packets under this id may be opened."""
        return key_id == KEY_ID_CLEAR if self.clear else key_id in self.secrets

    def key(self, sender: NodeId, epoch: bytes) -> PacketKey:
        """Return the key that `sender` seals with in `epoch` under the active authkey."""
        if self.clear:
            return ClearKey()
        return self.derived(self.secrets[self.key_id], sender, epoch)

    def derived(self, secret: bytes, sender: NodeId, epoch: bytes) -> PacketKey:
        """Return the key of `sender` in `epoch` under one authkey; about 3 microseconds."""
        # The cluster's name has any length, so it comes last: no two tuples share an encoding.
        info = b"\x01" + sender.to_bytes(2, "big") + epoch + self._cluster
        return GcmKey(HKDFExpand(hashes.SHA256(), 32, info).derive(secret))


class SenderKeys:
    """What the packets of one sender in one epoch are opened with, under any accepted authkey."""

    def __init__(self, keyring: Keyring, sender: NodeId, epoch: bytes) -> None:
        self._keyring = keyring
        self._of = (sender, epoch)
        # Key id -> the secret it was derived from, since an id may come to mean another authkey.
        self._derived: dict[int, tuple[bytes, PacketKey]] = {}

    def open(
        self, key_id: int, link: int, counter: int, header: bytes, sealed: bytes
    ) -> bytes | None:
        """Return the body, or None if it was not sealed under that authkey and header."""
        keyring = self._keyring
        if keyring.clear:
            return sealed
        secret = keyring.secrets[key_id]
        known = self._derived.get(key_id)
        if known is None or known[0] is not secret:
            known = self._derived[key_id] = (secret, keyring.derived(secret, *self._of))
        return known[1].open(link, counter, header, sealed)


def _extract(authkey: bytes) -> bytes:
    """Make 32 uniform bytes of an authkey of any length."""
    return HKDF(hashes.SHA256(), 32, _SALT, b"extract").derive(authkey)
