"""The files of a lab: what each host finds in its directories, and what it runs."""

from __future__ import annotations

import importlib.resources
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.lab.plan import HostPlan, Plan

FENCE_AGENT: Final = "fence_ninefold_lab"

_NINEFOLD: Final = """\
mkdir -p /run/ninefold
exec {argv} >>/var/log/ninefoldd.log 2>&1
"""

# Corosync first, as the unit's ordering has it; it is not started again when it dies.
_ON_COROSYNC: Final = """\
mkdir -p /run/ninefold
install -d /var/log/corosync /etc/corosync/uidgid.d "$LAB_HOST_DIR/lib/corosync"
mount --bind "$LAB_HOST_DIR/lib/corosync" /var/lib/corosync
corosync -f >/var/log/corosync/stdout.log 2>&1 &
exec {argv} >>/var/log/ninefoldd.log 2>&1
"""

# No systemd here, so this does what Debian's units and tmpfiles.d entries do. Corosync must answer
# before pacemakerd starts.
_PACEMAKER: Final = """\
install -d -m 1755 /run/resource-agents /run/fence-agents
install -d -m 750 -o hacluster -g haclient /run/crm
install -d /var/log/corosync /etc/corosync/uidgid.d
install -d -m 770 -o hacluster -g haclient /var/log/pacemaker
install -d "$LAB_HOST_DIR/lib/corosync"
install -d -m 750 -o hacluster -g haclient "$LAB_HOST_DIR/lib/pacemaker"
for name in blackbox cib cores pengine; do
    install -d -m 750 -o hacluster -g haclient "$LAB_HOST_DIR/lib/pacemaker/$name"
done
for name in corosync pacemaker; do
    mount --bind "$LAB_HOST_DIR/lib/$name" "/var/lib/$name"
done
corosync -f >/var/log/corosync/stdout.log 2>&1 &
until corosync-cmapctl -g totem.version >/dev/null 2>&1; do sleep 0.05; done
PCMK_logfacility=none exec pacemakerd -f >/var/log/pacemaker/stdout.log 2>&1
"""


def furnish(plan: Plan, directory: Path) -> None:
    """Write all files of the lab below `directory`."""
    shared = directory / "shared"
    (shared / "sbin").mkdir(parents=True)
    data = importlib.resources.files("ninefold") / "data"
    _write(shared / "host-init", (data / "lab" / "host-init").read_text(encoding="utf-8"))
    agent = (data / "lab" / FENCE_AGENT).read_text(encoding="utf-8")
    _, _, body = agent.partition("\n")
    _write(shared / "sbin" / FENCE_AGENT, f"#!{plan.python} -ISE\n{body}", mode=0o755)
    _write(shared / "start", start_script(plan))
    _write(shared / "cib.xml", plan.cib)
    # Laid over /usr/lib/ocf: the agents look for their programs two directories further up.
    for source, target in (("ocf", "ocf/resource.d"), ("programs", "ocf/programs")):
        if (directory_of := Path(str(data / source))).is_dir():
            shutil.copytree(directory_of, shared / target)
    names = "127.0.0.1 localhost\n" + "".join(
        f"{host.addresses[0]} {host.name}\n" for host in plan.hosts
    )
    for number, host in enumerate(plan.hosts, start=1):
        _furnish_host(plan, host, host_directory(directory, number), names)


def host_directory(directory: Path, number: int) -> Path:
    """Return the directory of the host with that number (from 1); names may be too long."""
    return directory / "hosts" / str(number)


def start_script(plan: Plan) -> str:
    """Return what a host runs once its cables are plugged."""
    match plan.stack:
        case "ninefold" if plan.cluster == "corosync":
            return _ON_COROSYNC.format(argv=shlex.join(plan.argv))
        case "ninefold":
            return _NINEFOLD.format(argv=shlex.join(plan.argv))
        case "pacemaker":
            return _PACEMAKER
        case _:
            return "exit 0\n"


def _furnish_host(plan: Plan, host: HostPlan, directory: Path, names: str) -> None:
    # `upper` holds the mount points that the machine's own /etc and /var/lib may not have.
    for name in (
        *("stage", "fence", "log", "log/corosync", "lib/ninefold", "etc/corosync"),
        *("upper/etc/corosync", "upper/var/lib/ninefold"),
    ):
        (directory / name).mkdir(parents=True, exist_ok=True)
    if plan.stack == "pacemaker" or plan.cluster == "corosync":
        (directory / "upper/var/lib/corosync").mkdir()
    # The socket's directory carries the shared one in each host.
    (directory / "fence" / "shared").mkdir()
    _write(directory / "etc" / "hosts", names)
    _write(directory / "upper" / "etc" / "hostname", f"{host.name}\n")
    if plan.user_namespace:
        # One user and one group exist there; giving a file to another group that is named fails.
        _write(directory / "upper" / "etc" / "group", "root:x:0:\n")
    corosync = directory / "etc" / "corosync"
    _write(corosync / "corosync.conf", plan.conf)
    key = corosync / "authkey"
    key.touch(mode=0o400)
    key.chmod(0o600)
    key.write_bytes(plan.authkey)
    key.chmod(0o400)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
