"""`python -m tests.fuzz.cibs COUNT [FIRST]`: commands on so many documents that something went wrong with.

The originals are the recorded documents where they are (NINEFOLD_CORPUS), else generated ones. Ends
with 1 at the first traceback, with the seed and the document that made it.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from lxml import etree
from typer.testing import CliRunner

from benchmarks.scheduler.clusters import Cluster
from ninefold.cli.main import app
from tests.mutated_cib import mutated

PLACE = Path("build/fuzz-cib.xml")
BYTES_MAX = 30_000


def originals() -> list[etree._Element]:
    """Return the documents to begin with; the largest would take all the time."""
    corpus = Path(os.environ.get("NINEFOLD_CORPUS", "../shared/corpus")) / "scheduler"
    files = [one for one in sorted(corpus.rglob("*.xml")) if one.stat().st_size < BYTES_MAX]
    roots = [etree.parse(one).getroot() for one in files]
    return [one for one in roots if one.tag == "cib"] or [
        Cluster(nodes, count).root for nodes, count in ((2, 4), (3, 8))
    ]


def broken(document: etree._Element, rng: random.Random) -> str:
    """Return what broke, "" for nothing."""
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_bytes(etree.tostring(document))
    names = [str(one.get("id")) for one in document.iter("primitive") if one.get("id")]
    commands = [["cib", "verify"], ["simulate", "--settle"], ["survive", "--single"]]
    for command in [
        *commands,
        *(["explain", name, "--cib"] for name in rng.sample(names, 1 if names else 0)),
    ]:
        result = CliRunner().invoke(app, [*command, str(PLACE)])
        fine = result.exception is None or isinstance(result.exception, SystemExit)
        if not fine or result.exit_code not in {0, 1, 2}:
            return f"{' '.join(command)}: {result.exception!r}, exit code {result.exit_code}"
    return ""


def main() -> int:
    """Try them."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    roots = originals()
    for seed in range(first, first + count):
        rng = random.Random(seed)
        told = broken(mutated(rng.choice(roots), rng, rng.choice((1, 2, 4, 8))), rng)
        if told:
            sys.stdout.write(f"fuzz: seed {seed}: {told}; the document is {PLACE}\n")
            return 1
    sys.stdout.write(f"fuzz: {count} documents, nothing broke\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
