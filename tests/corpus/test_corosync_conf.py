"""Every recorded `corosync.conf` is judged at least as strictly as Corosync 3.1.7 judged it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ninefold.config.load import check, load
from ninefold.config.surroundings import KeyFile, Surroundings
from ninefold.core.findings import Severity, errors

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "corosync-conf"
pytestmark = pytest.mark.skipif(
    not CORPUS.exists(), reason="the shared corpus is not beside this project"
)

# What `corosync -t` accepts and this project runs, with findings at most.
RUN_HERE = {
    "ok.conf",
    "book-two-node.conf",
    "udpu.conf",
    "to-logfile-no-file.conf",
    "unknown-section.conf",
}


def verdicts() -> list[tuple[str, int]]:
    if not CORPUS.exists():
        return []
    with (CORPUS / "verdicts.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(row["file"], int(row["corosync_exit"])) for row in rows]


def surroundings(name: str) -> Surroundings:
    """The host on which the corpus was recorded: loopback, and the key files that the texts name."""
    keyfile = KeyFile(size=256, mode=0o400, owner=0, data=b"k" * 256)
    if name == "missing-key.conf":
        keyfile = KeyFile(trouble="No such file or directory")
    if name == "short-key.conf":
        keyfile = KeyFile(size=64, mode=0o400, owner=0, data=b"k" * 64)
    addresses = ("127.0.0.1", "::1")
    if name == "book-two-node.conf":
        addresses = ("10.10.10.1", "10.10.20.1")
    return Surroundings(hostnames=("recorder",), addresses=addresses, keyfile=keyfile)


def test_corpus_is_whole() -> None:
    listed = {name for name, _ in verdicts()}

    present = {path.name for path in CORPUS.glob("*.conf")}

    assert present == listed


@pytest.mark.parametrize(("name", "corosync_exit"), verdicts())
def test_recorded_file_is_judged_at_least_as_strictly(name: str, corosync_exit: int) -> None:
    text = (CORPUS / name).read_text()

    config, findings = load(text, file=name, surroundings=surroundings(name))

    assert (config is None) == bool(errors(findings))
    # Everything Corosync rejects is rejected; of what it accepts, what is listed above is run.
    assert (config is not None) == (name in RUN_HERE), [str(finding) for finding in findings]
    assert corosync_exit == 0 or config is None
    assert all(finding.file == name and finding.sentence for finding in findings)
    told = [finding for finding in findings if finding.severity is not Severity.INFO]
    assert all(finding.remedy for finding in told)


@pytest.mark.parametrize("name", [name for name, _ in verdicts() if name != "ok.conf"])
def test_recorded_file_has_a_finding_of_its_own(name: str) -> None:
    report = check((CORPUS / name).read_text(), name, surroundings(name))

    # All but a few lack encryption, which is noted each time.
    own = {finding.code for finding in report.findings} - {"no-crypto"}
    assert own, "nothing was said about what this file is in the corpus for"


def test_the_book_s_two_node_cluster_means_what_the_book_says() -> None:
    text = (CORPUS / "book-two-node.conf").read_text()

    config, findings = load(text, file="book", surroundings=surroundings("book-two-node.conf"))

    assert config is not None
    assert {finding.code for finding in findings} == {"two-node-waits"}
    assert [node.name for node in config.nodes] == ["node1", "node2"]
    assert config.local == 1
    assert config.totem.cluster_name == "production-cluster"
    assert (config.totem.crypto_cipher, config.totem.crypto_hash) == ("aes256", "sha256")
    assert [link.linknumber for link in config.links] == [0, 1]
    assert config.nodes[1].links[1].address == "10.10.20.2"
    assert config.nodes[1].links[1].port == 5406
    assert config.quorum.two_node
    assert config.quorum.wait_for_all
    assert config.logging.logfile == "/var/log/cluster/corosync.log"
