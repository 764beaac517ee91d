"""What happened on the host: starts and how they ended, and the log's errors of the last days.

wtmp is read as the fixed records that it is made of; the journal by `journalctl --output=json`,
which is its documented interface for programs; where there is no journal, syslog's files.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ninefold.design.audit.facts import Boot, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.design.audit.source import Source

# struct utmp of glibc on 64-bit Linux (utmp(5)): type, pid, line, id, user, host, exit, session,
# seconds, microseconds, address, reserved.
_RECORD: Final = struct.Struct("<hxxi32s4s32s256shhiii4i20x")
_BOOT_TIME: Final = 2
_RUN_LVL: Final = 1
BOOTS_MAX: Final = 50
LINES_MAX: Final = 20_000
EXAMPLE_MAX: Final = 300

# The first that fits names the kind. They are the kernel's own words.
KINDS: Final = (
    ("oom", re.compile(r"Out of memory: Killed process|oom-kill:|invoked oom-killer")),
    (
        "hardware",
        re.compile(
            r"Hardware Error|Machine check|mce: \[|EDAC .*(CE|UE)|I/O error|"
            r"critical medium error|NMI watchdog|soft lockup|hard LOCKUP|task .* blocked for more|"
            r"uncorrect(ed|able)|PCIe Bus Error|ata\d+.*(failed command|SError)|nvme.*timeout",
            re.IGNORECASE,
        ),
    ),
    ("link", re.compile(r"NIC Link is Down|link is down|Link Down|link status definitely down")),
)


def boots(source: Source) -> tuple[Boot, ...]:
    """Return the starts that wtmp knows, the last first, at most `BOOTS_MAX`."""
    content = source.content("/var/log/wtmp")
    if content is None:
        source.note("reboots", "there is no /var/log/wtmp", "look at the journal: --list-boots")
        return ()
    return wtmp(content)


def wtmp(content: bytes) -> tuple[Boot, ...]:
    """Return starts from wtmp's bytes; a record cut short at the end is ignored."""
    starts: list[Boot] = []
    ended: int | None = None
    whole = len(content) - len(content) % _RECORD.size
    for record in _RECORD.iter_unpack(content[:whole]):
        kind, user, seconds = record[0], record[4].split(b"\0")[0], record[9]
        if kind == _RUN_LVL and user == b"shutdown":
            ended = seconds
        elif kind == _BOOT_TIME:
            # How the life before this start ended: by an orderly shutdown, or without a word.
            if starts:
                starts[-1] = msgspec.structs.replace(
                    starts[-1], ended=ended, clean=ended is not None
                )
            starts.append(Boot(seconds, None, None))
            ended = None
    return tuple(reversed(starts[-BOOTS_MAX:]))


def uptime_s(source: Source) -> int | None:
    """Return for how long the host has been up."""
    words = source.line("/proc/uptime").split()
    try:
        return int(float(words[0])) if words else None
    except (ValueError, OverflowError):
        return None


def troubles(source: Source, *, now: int, since_days: int) -> tuple[Trouble, ...]:
    """Return the errors of the last days, by kind and by who said it."""
    if source.exists("/run/systemd/journal") or source.exists("/var/log/journal"):
        report = source.run(
            "journalctl",
            "--output=json",
            "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_TRANSPORT,PRIORITY",
            f"--since=-{since_days}d",
            "--priority=err",
            f"--lines={LINES_MAX}",
            "--no-pager",
            "--quiet",
        )
        if report is not None:
            return counted(_journal(report))
        return ()
    lines = _syslog(source)
    if lines is None:
        source.note("errors in the log", "there is no journal and no syslog here")
        return ()
    return counted((at, who, text) for at, who, text in lines if now - at < since_days * 86_400)


def _journal(report: bytes) -> Iterable[tuple[int, str, str]]:
    for line in report.splitlines():
        try:
            entry: Any = msgspec.json.decode(line)
            message = entry.get("MESSAGE")
            if isinstance(message, list):  # bytes that are no text
                message = bytes(message).decode(errors="replace")
            at = int(entry["__REALTIME_TIMESTAMP"]) // 1_000_000
            yield at, str(entry.get("SYSLOG_IDENTIFIER") or "unknown"), str(message or "")
        except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError):
            continue


_ISO_LINE: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\S* \S+ ([^:\[ ]+)[^:]*: (.*)")


def _syslog(source: Source) -> list[tuple[int, str, str]] | None:
    """Return the kernel's lines of syslog files whose lines carry a full date."""
    found: list[tuple[int, str, str]] = []
    seen = False
    for name in ("/var/log/kern.log", "/var/log/messages"):
        text = source.text(name)
        seen = seen or text is not None
        for line in (text or "").splitlines()[-LINES_MAX:]:
            match = _ISO_LINE.match(line)
            if match is not None and any(pattern.search(match[3]) for _, pattern in KINDS):
                at = datetime.fromisoformat(f"{match[1]}+00:00")
                found.append((int(at.timestamp()), match[2], match[3]))
    return found if seen else None


def counted(lines: Iterable[tuple[int, str, str]]) -> tuple[Trouble, ...]:
    """Count log lines (time, who, text) by kind and who; the last is the example."""
    rows: dict[tuple[str, str], Trouble] = {}
    for at, who, text in lines:
        kind = next((name for name, pattern in KINDS if pattern.search(text)), "error")
        before = rows.get((kind, who))
        count = 1 if before is None else before.count + 1
        last = at if before is None else max(at, before.last)
        rows[kind, who] = Trouble(kind, count, last, who, text[:EXAMPLE_MAX])
    order = [name for name, _ in KINDS]
    return tuple(
        sorted(
            rows.values(),
            key=lambda t: (order.index(t.kind) if t.kind in order else 9, -t.count, t.source),
        )
    )
