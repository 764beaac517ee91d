"""Sealing: who can open what, and which options of the configuration mean which cipher."""

from __future__ import annotations

import pytest

from ninefold.config.model import TotemOptions
from ninefold.totem.crypto import KEY_ID_CLEAR, TAG_BYTES, Keyring
from ninefold.totem.keys import Key, keyset

AUTHKEY = bytes(range(128))
OPTIONS = TotemOptions(crypto_cipher="aes256", crypto_hash="sha256", cluster_name="c")
EPOCH = b"8 bytes!"


def test_packet_opens_under_the_same_key_header_link_and_counter_only() -> None:
    key = Keyring(OPTIONS, keyset(AUTHKEY)).key(1, EPOCH)
    sealed = key.seal(2, 77, b"header", b"body")

    assert key.open(2, 77, b"header", sealed) == b"body"
    assert key.open(3, 77, b"header", sealed) is None
    assert key.open(2, 78, b"header", sealed) is None
    assert key.open(2, 77, b"Header", sealed) is None
    assert key.open(2, 77, b"header", sealed[:-1]) is None
    assert key.open(2, 77, b"header", b"") is None
    assert len(sealed) == len(b"body") + TAG_BYTES
    assert b"body" not in sealed


@pytest.mark.parametrize(
    ("options", "authkey", "sender", "epoch"),
    [
        (OPTIONS, AUTHKEY[1:], 1, EPOCH),
        (OPTIONS, AUTHKEY, 2, EPOCH),
        (OPTIONS, AUTHKEY, 1, b"8 Bytes!"),
        (TotemOptions(crypto_cipher="aes256", cluster_name="d"), AUTHKEY, 1, EPOCH),
    ],
)
def test_each_authkey_sender_epoch_and_cluster_has_its_own_key(
    options: TotemOptions, authkey: bytes, sender: int, epoch: bytes
) -> None:
    sealed = Keyring(OPTIONS, keyset(AUTHKEY)).key(1, EPOCH).seal(0, 1, b"", b"body")

    assert Keyring(options, keyset(authkey)).key(sender, epoch).open(0, 1, b"", sealed) is None


@pytest.mark.parametrize(
    ("cipher", "hash_", "key_id"),
    [
        ("none", "none", KEY_ID_CLEAR),
        ("none", "sha1", Key.of(AUTHKEY).key_id),
        ("aes128", "md5", Key.of(AUTHKEY).key_id),
        ("aes256", "sha512", Key.of(AUTHKEY).key_id),
    ],
)
def test_anything_but_none_and_none_is_sealed(cipher: str, hash_: str, key_id: int) -> None:
    keyring = Keyring(TotemOptions(crypto_cipher=cipher, crypto_hash=hash_), keyset(AUTHKEY))
    sealed = keyring.key(1, EPOCH).seal(0, 1, b"", b"body")

    assert keyring.key_id == key_id
    assert (sealed == b"body") == (key_id == KEY_ID_CLEAR)
    assert len(sealed) == 4 + keyring.overhead
    assert keyring.key(1, EPOCH).open(0, 1, b"", sealed) == b"body"


def test_crypto_without_a_key_cannot_be_built() -> None:
    with pytest.raises(AssertionError):
        Keyring(OPTIONS, keyset(b"short"))
