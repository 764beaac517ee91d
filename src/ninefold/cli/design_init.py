"""`ninefold design init`: a few questions, or a cluster's own files, and a first infrastructure file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from ninefold.api.client import Client
from ninefold.cli.out import (
    USAGE,
    SocketOption,
    ask,
    complaints,
    console,
    fail,
)
from ninefold.design.nines import availability_of_percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.design.init import Promise, Sketch
    from ninefold.design.init_cluster import Found

COROSYNC_CONF: Final = Path("/etc/corosync/corosync.conf")
# As many as have a letter (`design.init`).
COUNT_MAX: Final = 8
# What a name may not hold, so that it can be a key and be typed in a shell.
_UNFIT: Final = re.compile(r"[\s,:{}\[\]#\"'&*!|>%@`]")


FileArgument = Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")]
NodesOption = Annotated[str | None, typer.Option(help="Servers, with commas between.")]
ServiceOption = Annotated[
    list[str] | None, typer.Option(help="NAME, or NAME=99.9 (what was promised); repeatable.")
]
FeedsOption = Annotated[int | None, typer.Option(help="Independent power feeds.", min=1, max=8)]
SuppliesOption = Annotated[
    int | None, typer.Option(help="Power supplies in each server.", min=1, max=8)
]
SwitchesOption = Annotated[
    int | None, typer.Option(help="Switches that each server is bonded to.", min=1, max=8)
]
InternetOption = Annotated[
    int | None, typer.Option(help="Internet lines that users come by.", min=0, max=8)
]
DnsOption = Annotated[int | None, typer.Option(help="Resolvers that users need.", min=0, max=8)]
StorageOption = Annotated[str | None, typer.Option(help="disk, mirror, drbd or array.")]
FencingOption = Annotated[str | None, typer.Option(help="bmc or none.")]
CorosyncOption = Annotated[
    Path | None, typer.Option("--corosync", help="The cluster's corosync.conf.")
]
CibOption = Annotated[Path | None, typer.Option("--cib", help="The cluster's CIB.")]
FromClusterOption = Annotated[
    bool, typer.Option("--from-cluster", help="Ask the running cluster; copies both beside FILE.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; assume what is usual.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]


def init(
    file: FileArgument = Path("infrastructure.yaml"),
    *,
    name: Annotated[str | None, typer.Option(help="Of the whole.")] = None,
    nodes: NodesOption = None,
    service: ServiceOption = None,
    feeds: FeedsOption = None,
    supplies: SuppliesOption = None,
    switches: SwitchesOption = None,
    internet: InternetOption = None,
    dns: DnsOption = None,
    storage: StorageOption = None,
    fencing: FencingOption = None,
    corosync: CorosyncOption = None,
    cib: CibOption = None,
    from_cluster: FromClusterOption = False,
    yes: YesOption = False,
    force: ForceOption = False,
    socket: SocketOption = None,
) -> None:
    """Write a first infrastructure file, with comments: from questions, or from a cluster's files.

    What options answer is not asked. The file is checked at once; correct and complete it.
    """
    from ninefold.design.init import text_of  # noqa: PLC0415 - the design layer takes scipy along
    from ninefold.design.init_cluster import Found, look  # noqa: PLC0415

    _may_write(file, force=force)
    if from_cluster:
        corosync, cib = _copied(file, corosync, socket, force=force)
    found = look(corosync, cib) if corosync or cib else Found()
    given = {
        "name": name, "nodes": nodes, "service": service, "feeds": feeds, "supplies": supplies,
        "switches": switches, "internet": internet, "dns": dns, "storage": storage,
        "fencing": fencing,
    }  # fmt: skip
    sketch = _sketch(_Answers(yes=yes), given, found, file)
    sketch = msgspec.structs.replace(
        sketch, corosync=_relative(corosync, file), cib=_relative(cib, file)
    )
    _written(file, text_of(sketch, str(file)))
    _schema_beside(file)
    _judged(file)


class _Answers:
    """Asks what no option has said; with `yes` it takes what is usual."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    def take(
        self,
        given: Any,
        question: str,
        usual: Any,
        read: Callable[[Any], Any] = lambda found: found,
    ) -> Any:
        """Return the answer as `read` understands it; ask again when it raises `ValueError`."""
        if given is not None:
            try:
                return read(given)
            except ValueError as error:
                fail(f"{error}.", USAGE)
        if self._yes:
            return read(usual)
        while True:
            try:
                return read(typer.prompt(question, default=usual, err=True))
            except ValueError as error:
                complaints.print(f"{error}.", markup=False)

    def services(self, given: Sequence[str] | None, known: Sequence[Promise]) -> list[Promise]:
        """Return the services: those `given`, else those `known`, else asked for one by one."""
        if given:
            return [self.take(one, "", "", _promise) for one in given]
        if self._yes:
            return list(known) or [_promise("web")]
        found = [
            msgspec.structs.replace(
                one,
                slo=self.take(None, f"What was promised for {one.name}? 99.9, or empty", "", _slo),
            )
            for one in known
        ]
        if not known:
            question = "A service that users see: web, or web=99.9 with what was promised"
            found.append(self.take(None, question, "web", _promise))
            while more := self.take(None, "Another service, or empty", "", _promise_or_nothing):
                found.append(more)
        return found


def _sketch(answers: _Answers, given: dict[str, Any], found: Found, file: Path) -> Sketch:
    from ninefold.design.init import FENCINGS, STORAGES, Sketch  # noqa: PLC0415 - as in `init`

    take = answers.take
    usual_name = found.name or file.absolute().parent.name or "infrastructure"
    name = take(given["name"], "What is it called?", usual_name)
    listed = ", ".join(found.nodes)
    nodes = found.nodes
    if given["nodes"] is not None or not nodes:
        question = "Servers, with commas between; one if there is only one"
        nodes = take(given["nodes"], question, listed or "node1, node2", _names)
    several = len(nodes) > 1
    words = {
        "feeds": ("How many independent power feeds?", 2 if several else 1),
        "supplies": ("How many power supplies in each server?", 2),
        "switches": ("How many switches is each server bonded to?", 2 if several else 1),
        "internet": ("How many internet lines do users come by? 0 if by none", 1),
        "dns": ("How many resolvers (DNS) do users need? 0 if none", 2),
    }
    counts = {
        key: take(given[key], *asked, _count if key in ("internet", "dns") else _at_least_one)
        for key, asked in words.items()
    }
    storage = take(
        given["storage"],
        f"Where is the data? {', '.join(STORAGES)}",
        found.storage or ("drbd" if several else "mirror"),
        _one_of(STORAGES),
    )
    fencing = "bmc"
    if several and not found.devices:
        question = f"How is a node fenced? {', '.join(FENCINGS)} (bmc: its management controller)"
        fencing = take(given["fencing"], question, "bmc", _one_of(FENCINGS))
    return Sketch(
        name=name,
        nodes=nodes,
        services=tuple(answers.services(given["service"], found.services)),
        group=found.name or "cluster",
        storage=storage,
        fencing=fencing,
        devices=found.devices,
        witness=found.witness,
        **counts,
    )


# What an answer must look like.


def _names(text: str) -> tuple[str, ...]:
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    if not names:
        raise ValueError("At least one server is needed")
    for name in names:
        _name(name)
    if len(set(names)) != len(names):
        raise ValueError(f"{text!r} names a server twice")
    return names


def _name(text: str) -> str:
    if not text or _UNFIT.search(text):
        raise ValueError(f"{text!r} is no name; letters, digits, - and . are")
    return text


def _count(found: Any) -> int:
    if not str(found).isdecimal() or int(found) > COUNT_MAX:
        raise ValueError(f"{found!r} is no number from 0 to {COUNT_MAX}")
    return int(found)


def _at_least_one(found: Any) -> int:
    if _count(found) < 1:
        raise ValueError("At least 1 is needed")
    return _count(found)


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return read


def _promise(text: str) -> Promise:
    from ninefold.design.init import Promise  # noqa: PLC0415 - as in `init`

    name, _, slo = (part.strip() for part in text.partition("="))
    return Promise(_name(name), _slo(slo))


def _promise_or_nothing(text: str) -> Promise | None:
    return _promise(text) if text else None


def _slo(text: str) -> str:
    """Return a promised availability as the file has it: people mean percent."""
    bare = text.strip().removesuffix("%").strip()
    if not bare:
        return ""
    availability_of_percent(bare)
    return f"{bare} %"


# Files.


def _may_write(file: Path, *, force: bool) -> None:
    if file.exists() and not force:
        fail(f"{file} is there already; --force overwrites it.", USAGE)


def _written(file: Path, text: str, *, mode: int = 0o644) -> None:
    try:
        file.touch(mode=mode)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}.", USAGE)


def _copied(
    file: Path, corosync: Path | None, socket: str | None, *, force: bool
) -> tuple[Path | None, Path]:
    """Copy the running cluster's CIB, and this host's corosync.conf, beside the file."""
    answer = ask(Client(socket).cib)
    cib = file.with_suffix(".cib.xml")
    conf = file.with_suffix(".corosync.conf")
    for copy in (cib, conf):
        _may_write(copy, force=force)
    # Parameters of agents hold passwords: for nobody else, as in the store.
    _written(cib, answer["xml"], mode=0o600)
    source = corosync or COROSYNC_CONF
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        complaints.print(
            f"{source}: cannot be read: {error.strerror}. Nodes are taken from the CIB; name the file by "
            "--corosync for timers and votes.",
            markup=False,
        )
        return None, cib
    _written(conf, text)
    return conf, cib


def _relative(path: Path | None, file: Path) -> str:
    """Return a path as it shall stand in the file: seen from the file's directory."""
    return "" if path is None else os.path.relpath(path, file.absolute().parent)


def _schema_beside(file: Path) -> None:
    """Write the schema that the first line names; one that is there is of the same make."""
    from ninefold.design.schema import FILE_NAME, SHIPPED  # noqa: PLC0415 - as in `init`

    _written(file.absolute().parent / FILE_NAME, SHIPPED.read_text())


def _judged(file: Path) -> None:
    """Say what was written, and what is wrong with what it names."""
    from ninefold.core.findings import errors  # noqa: PLC0415 - as in `init`
    from ninefold.design.load import load  # noqa: PLC0415

    model, findings = load(file)
    for finding in findings:
        complaints.print(str(finding), markup=False)
    if model is None:
        wrong = len(errors(findings))
        fail(
            f"{file} is written, but {wrong} errors above must be corrected before it can be used."
        )
    console.print(f"{file} is written, and its schema for editors beside it.", markup=False)
    console.print(f"Correct and complete it, then: ninefold design report {file}", markup=False)
