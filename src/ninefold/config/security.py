"""Encryption of the ring and its key: what is configured, and whether the key file is fit for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from ninefold.config.ledger import Ledger
    from ninefold.config.settings import Group, Settings
    from ninefold.config.surroundings import KeyFile, Surroundings

# 1024 bits; corosync-keygen writes 256 bytes.
KEY_BYTES_MIN: Final = 128
KEY_BYTES_MAX: Final = 4096

_OTHERS: Final = 0o007
_GROUP: Final = 0o070


class Crypto(msgspec.Struct, frozen=True):
    """The crypto options that take effect."""

    cipher: str
    hash: str

    @property
    def on(self) -> bool:
        """Whether packets are protected at all."""
        return self.cipher != "none" or self.hash != "none"


def judge_crypto(settings: Settings, surroundings: Surroundings, ledger: Ledger) -> Crypto:
    """Return the crypto options; a missing, short or readable key is noted."""
    totem = settings["totem"]
    crypto = configured(totem)
    if crypto.cipher != "none" and crypto.hash == "none":
        ledger.error(
            "cipher-without-hash",
            "totem.crypto_cipher",
            "A cipher needs a crypto_hash other than none.",
            "Write `crypto_hash: sha256`.",
            totem.at("crypto_cipher"),
        )
    if crypto.on and totem.text("transport") != "knet":
        ledger.error(
            "crypto-needs-knet",
            "totem.transport",
            f"crypto_cipher and crypto_hash are only for knet, not for {totem.text('transport')}.",
            "Write `transport: knet`.",
            totem.at("transport"),
        )
    if not crypto.on:
        if not (totem.mentions("crypto_cipher") and totem.mentions("crypto_hash")):
            ledger.warning(
                "no-crypto",
                "totem.crypto_cipher",
                "Packets are neither encrypted nor authenticated: any host may pose as a node.",
                "Write `crypto_cipher: aes256` and `crypto_hash: sha256`, and make a key.",
                totem.line,
            )
        return crypto
    _note_what_is_used(totem, crypto, ledger)
    if "key" in totem:
        _judge_inline(totem, ledger)
    else:
        _judge_file(totem, surroundings, ledger)
    return crypto


def authkey(settings: Settings, surroundings: Surroundings) -> bytes:
    """Return the shared key's bytes; empty when there is none."""
    totem = settings["totem"]
    if "key" in totem:
        return totem.text("key").encode()
    return surroundings.keyfile.data if surroundings.keyfile.present else b""


def configured(totem: Group) -> Crypto:
    """Return what the file asks for: secauth first, then the keys of their own."""
    cipher, digest = ("aes256", "sha256") if totem.flag("secauth") else ("none", "none")
    return Crypto(
        cipher=totem.values.get("crypto_cipher", cipher),
        hash=totem.values.get("crypto_hash", digest),
    )


def _note_what_is_used(totem: Group, crypto: Crypto, ledger: Ledger) -> None:
    if (crypto.cipher, crypto.hash) == ("aes256", "sha256"):
        return
    ledger.info(
        "stronger-crypto",
        "totem.crypto_cipher",
        f"{crypto.cipher} with {crypto.hash} is asked for; Ninefold's own ring uses AES-256-GCM.",
        line=totem.at("crypto_cipher"),
    )


def _judge_inline(totem: Group, ledger: Ledger) -> None:
    line = totem.at("key")
    _judge_size(len(totem.text("key").encode()), "totem.key", line, ledger)
    ledger.warning(
        "key-in-the-open",
        "totem.key",
        "The key stands in this file: whoever may read the file may join the cluster.",
        "Put it into a file of mode 0400 and name that with keyfile.",
        line,
    )


def _judge_file(totem: Group, surroundings: Surroundings, ledger: Ledger) -> None:
    path = totem.text("keyfile")
    key = surroundings.keyfile
    line = totem.at("keyfile")
    if not key.present:
        ledger.error(
            "no-keyfile",
            "totem.keyfile",
            f"{path} cannot be read: {key.trouble}.",
            "Make a key with `corosync-keygen` on one node and copy it to the others.",
            line,
        )
        return
    _judge_size(key.size, "totem.keyfile", line, ledger)
    _judge_permissions(path, key, surroundings, line, ledger)


def _judge_size(size: int, subject: str, line: int, ledger: Ledger) -> None:
    if KEY_BYTES_MIN <= size <= KEY_BYTES_MAX:
        return
    ledger.error(
        "bad-key-size",
        subject,
        f"The key has {size} bytes; it must have {KEY_BYTES_MIN} to {KEY_BYTES_MAX}.",
        "Make a new one with `corosync-keygen` and copy it to all nodes.",
        line,
    )


def _judge_permissions(
    path: str, key: KeyFile, surroundings: Surroundings, line: int, ledger: Ledger
) -> None:
    remedy = f"chown root {path}; chmod 0400 {path}"
    if key.mode & _OTHERS:
        sentence = f"{path} has mode {key.mode:04o}: every user may use the key."
        ledger.error("key-open-to-all", "totem.keyfile", sentence, remedy, line)
    elif key.mode & _GROUP:
        sentence = f"{path} has mode {key.mode:04o}: its group may use the key."
        ledger.warning("key-open-to-group", "totem.keyfile", sentence, remedy, line)
    if key.owner not in {0, surroundings.uid}:
        sentence = f"{path} belongs to uid {key.owner}, neither root nor the daemon's user."
        ledger.error("key-of-another", "totem.keyfile", sentence, remedy, line)
