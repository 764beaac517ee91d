"""What happened on the host: starts and how they ended, and the log's errors of the last days.

wtmp is read as the fixed records that it is made of; the journal by `journalctl --output=json`,
which is its documented interface for programs; where there is none that we may read, syslog's files;
where there are none, the ring in which the kernel keeps its latest messages.
"""

from __future__ import annotations

import os
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
            r"\[Hardware Error\]|Machine check events logged|EDAC \w+: \d+ [CU]E |I/O error|"
            r"critical medium error|NMI watchdog: (BUG|Watchdog detected)|soft lockup|hard LOCKUP|"
            r"task .* blocked for more|uncorrect(ed|able)|PCIe Bus Error|"
            r"ata\d+.*(failed command|SError)|nvme.*timeout",
            re.IGNORECASE,
        ),
    ),
    ("link", re.compile(r"NIC Link is Down|link is down|Link Down|link status definitely down")),
)


def boots(source: Source) -> tuple[Boot, ...]:
    """Return the starts that wtmp knows, the last first, at most `BOOTS_MAX`."""
    content = source.content("/var/log/wtmp")
    found = () if content is None else wtmp(content)
    if not found:
        why = "there is no /var/log/wtmp" if content is None else "/var/log/wtmp knows of no start"
        source.note("reboots", why, "look at the journal: journalctl --list-boots")
    return found


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


class Log(msgspec.Struct, frozen=True):
    """What a log says: `source` is journal, syslog or kernel ring, empty if nothing was read."""

    troubles: tuple[Trouble, ...] = ()
    source: str = ""
    persistent: bool | None = None


def log(source: Source, *, now: int, since_days: int) -> Log:
    """Return the errors of the last days, from the best log that can be read here."""
    persistent = _persistent(source)
    if _journal_readable(source):
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
            return Log(counted(_journal(report)), "journal", persistent)
    oldest = now - since_days * 86_400
    lines = _syslog(source)
    if lines is not None:
        return Log(counted(line for line in lines if line[0] >= oldest), "syslog", persistent)
    ring = kernel_ring(source, now=now) if source.real else None
    if ring is not None:
        source.note("the log before this start", "only the kernel's own ring could be read")
        kernel = [line for line in ring if line[0] >= oldest]
        return Log(counted(kernel), "kernel ring", persistent)
    source.note("errors in the log", "neither journal nor syslog nor kernel ring can be read here")
    return Log((), "", persistent)


_JOURNALS: Final = ("/var/log/journal", "/run/log/journal")


def _journal_readable(source: Source) -> bool:
    """Is there a system journal that we may read? Without, journalctl shows our own lines only."""
    files = [
        f"{place}/{machine}/system.journal"
        for place in _JOURNALS
        for machine in source.entries(place)
        if source.exists(f"{place}/{machine}/system.journal")
    ]
    if not files:
        return False
    if any(source.readable(file) for file in files):
        return True
    remedy = "run as root, or as a member of systemd-journal"
    source.note("the system's journal", "permission denied", remedy)
    return False


def _persistent(source: Source) -> bool | None:
    """Do logs survive a reboot? `None` where there is nothing that would write any."""
    syslog = any(source.exists(f"/var/log/{name}") for name in ("syslog", "messages", "kern.log"))
    if syslog or any(source.entries(f"/var/log/journal/{m}") for m in source.entries(_JOURNALS[0])):
        return True
    return False if source.entries(_JOURNALS[1]) else None


RING_LINES_MAX: Final = 100_000
# syslog(2)'s levels from emergency to error; the facility stands in the bits above.
_ERROR_LEVEL: Final = 3


def kernel_ring(source: Source, *, now: int) -> list[tuple[int, str, str]] | None:
    """Return the kernel's lines that are errors or of a known kind; reading takes none away."""
    up = source.line("/proc/uptime").split()
    try:
        began = now - float(up[0])
        ring = os.open(source.path("/dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        source.note("the kernel's ring of messages", "permission denied", "run as root")
        return None
    except (OSError, IndexError, ValueError):
        return None
    found = []
    try:
        for _ in range(RING_LINES_MAX):
            try:
                record = os.read(ring, 8192).decode(errors="replace")
            except BrokenPipeError:  # overwritten while we read: the next one is whole
                continue
            line = ring_line(record, began)
            if line is not None:
                found.append(line)
    except OSError:  # nothing is left (EAGAIN), or the kernel refuses to go on
        pass
    finally:
        os.close(ring)
    return found


def ring_line(record: str, began: float) -> tuple[int, str, str] | None:
    """Return a record of /dev/kmsg (`level,number,microseconds,...;text`) if it tells of trouble."""
    head, semicolon, text = record.partition(";")
    fields = head.split(",")
    text = text.partition("\n")[0]
    if not semicolon or len(fields) < 3 or not (fields[0].isdigit() and fields[2].isdigit()):
        return None
    level = int(fields[0]) & 7
    if level > _ERROR_LEVEL and not any(pattern.search(text) for _, pattern in KINDS):
        return None
    return int(began + int(fields[2]) / 1e6), "kernel", text


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
