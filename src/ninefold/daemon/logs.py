"""The daemon's words for people: to stderr, to a file, to the system's log, as `corosync.conf` says.

Every line is written by one thread. A terminal that is stopped, a full pipe or a slow disk holds up
that thread and never the ring; what does not fit in its queue is dropped and counted.

The events themselves are in the store (`journal`); these lines are a copy for whoever reads logs.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from ninefold.config.model import LoggingOptions

# A membership change writes some ten lines; a burst of 4096 lines is a loop gone wrong.
LINES_WAITING_MAX: Final = 4096
# At the end, the last lines get this long to be written: a stopped terminal must not keep a node
# that has to end from ending.
FLUSH_S: Final = 2.0
SYSLOG_SOCKET: Final = Path("/dev/log")

_LINE: Final = "%(levelname)s %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S"
_LINES: Final = {
    "hires": f"%(asctime)s.%(msecs)03d {_LINE}",
    "on": f"%(asctime)s {_LINE}",
    "off": _LINE,
}


class Spool(logging.Handler):
    """Takes lines without waiting, and has a thread write them to `targets`.

    `close` (which `logging.shutdown` calls) returns when all is written, or after `FLUSH_S`.
    """

    def __init__(self, targets: list[logging.Handler]) -> None:
        super().__init__()
        self.targets = targets
        self.lost = 0
        self._lines: queue.Queue[logging.LogRecord | None] = queue.Queue(LINES_WAITING_MAX)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line in the queue."""
        # Made into text here: an argument may have changed when the thread gets to it.
        record.msg, record.args = record.getMessage(), None
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what waits, then end the thread."""
        if self._thread.is_alive():
            try:
                self._lines.put(None, timeout=FLUSH_S)
                self._thread.join(FLUSH_S)
            except queue.Full:
                pass
        if not self._thread.is_alive():
            for target in self.targets:
                target.close()
        super().close()

    def _write(self) -> None:
        while (record := self._lines.get()) is not None:
            for target in self.targets:
                target.handle(record)


def open_log(
    options: LoggingOptions, *, level: str = "", syslog: Path = SYSLOG_SOCKET
) -> tuple[Spool, list[Finding]]:
    """Begin to log as `options` say; return what has to be closed, and what cannot be used.

    `level` overrides `logging.debug`. Where nothing at all could be used, stderr is: a daemon
    without a voice would die silently.
    """
    # A target that fails (a full disk) must not print tracebacks into another.
    logging.raiseExceptions = False
    targets: list[logging.Handler] = []
    findings: list[Finding] = []
    if options.to_logfile:
        try:
            targets.append(_file(options))
        except OSError as error:
            sentence = f"{options.logfile} cannot be written: {error.strerror}."
            findings.append(_unusable("logging.logfile", sentence))
    if options.to_syslog and syslog.exists():
        try:
            targets.append(_syslog(options, syslog))
        except OSError as error:
            sentence = f"Nobody takes messages at {syslog}: {error.strerror}."
            findings.append(_unusable("logging.to_syslog", sentence))
    if options.to_stderr or not targets:
        targets.append(_formatted(logging.StreamHandler(sys.stderr), options))
    spool = Spool(targets)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(spool)
    root.setLevel(level.upper() or (logging.INFO if options.debug == "off" else logging.DEBUG))
    # asyncio and the HTTP server tell their own story at DEBUG, which nobody asked for.
    for name in ("asyncio", "uvicorn", "litestar"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return spool, findings


def _file(options: LoggingOptions) -> logging.Handler:
    path = Path(options.logfile)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    # Opened anew when logrotate has moved it away.
    return _formatted(logging.handlers.WatchedFileHandler(path, errors="replace"), options)


def _syslog(options: LoggingOptions, path: Path) -> logging.Handler:
    names = logging.handlers.SysLogHandler.facility_names
    facility = names.get(options.syslog_facility, names["daemon"])
    handler = logging.handlers.SysLogHandler(str(path), facility)
    handler.ident = "ninefoldd: "
    handler.append_nul = False
    # The system's log has its own time and its own word for the level.
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def _unusable(subject: str, sentence: str) -> Finding:
    remedy = "The daemon runs without it; the other places of the log are used."
    return Finding("log-unusable", Severity.WARNING, subject, sentence, remedy)


def _formatted(handler: logging.Handler, options: LoggingOptions) -> logging.Handler:
    handler.setFormatter(logging.Formatter(_LINES.get(options.timestamp, _LINES["hires"]), _TIME))
    return handler
