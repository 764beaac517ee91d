"""`ninefold network`: configuration for review; nothing is changed."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from ninefold.cli.out import REFUSED, USAGE, JsonFlag, complaints, fail, show_json
from ninefold.core.findings import errors
from ninefold.design.bonding import Mode, Wish, judge_wish, mode_of
from ninefold.design.bonding_text import FORMATS

app = typer.Typer(no_args_is_help=True, help="Configuration of the network, printed for review.")


@app.callback()
def network() -> None:
    """Keep `bond` a command of its own, though it is the only one so far."""


ModeOption = Annotated[
    str, typer.Option(help="By name or number: " + ", ".join(f"{m.number} {m.value}" for m in Mode))
]


@app.command()
def bond(
    *,
    mode: ModeOption,
    name: Annotated[str, typer.Option(help="The bond's own name.")] = "bond0",
    slaves: Annotated[str, typer.Option(help="Its cards, with commas between.")] = "eth0,eth1",
    miimon: Annotated[
        int | None, typer.Option(help="Look at the links every so many ms; 100 if nothing is said.")
    ] = None,
    updelay: Annotated[int, typer.Option(help="Use a link so many ms after it came up.")] = 0,
    downdelay: Annotated[int, typer.Option(help="Leave a link so many ms after it failed.")] = 0,
    primary: Annotated[str, typer.Option(help="The slave to prefer (modes 1, 5, 6).")] = "",
    arp_interval: Annotated[
        int, typer.Option(help="Ask by ARP every so many ms, instead of --miimon.")
    ] = 0,
    arp_targets: Annotated[str, typer.Option(help="Whom to ask by ARP, with commas between.")] = "",
    lacp_rate: Annotated[
        str, typer.Option(help="fast or slow (mode 4); fast if nothing is said.")
    ] = "",
    xmit_hash: Annotated[
        str, typer.Option(help="How modes 2, 4 and 5 choose a slave: layer2, layer3+4, ...")
    ] = "",
    address: Annotated[
        list[str] | None, typer.Option(help="192.0.2.10/24; may be repeated; none: DHCP.")
    ] = None,
    gateway: Annotated[
        list[str] | None, typer.Option(help="At most one of IPv4 and one of IPv6.")
    ] = None,
    dns: Annotated[list[str] | None, typer.Option(help="A resolver; may be repeated.")] = None,
    mtu: Annotated[int | None, typer.Option(help="Bytes.")] = None,
    form: Annotated[str, typer.Option("--format", help="One of: " + ", ".join(FORMATS))] = "nmcli",
    json: JsonFlag = False,
) -> None:
    """Print the configuration of a bond for review; nothing is changed."""
    wish = Wish(
        _mode(mode),
        name,
        _words(slaves),
        miimon,
        updelay,
        downdelay,
        primary,
        arp_interval,
        _words(arp_targets),
        lacp_rate,
        xmit_hash,
        tuple(address or ()),
        tuple(gateway or ()),
        tuple(dns or ()),
        mtu,
    )
    if form not in FORMATS:
        fail(f"there is no format {form!r}; the formats are {', '.join(FORMATS)}.", USAGE)
    _show(wish, form, as_json=json)


def _mode(text: str) -> Mode:
    found = mode_of(text)
    if found is None:
        names = ", ".join(f"{one.number} {one.value}" for one in Mode)
        fail(f"there is no mode {text!r}; the modes are {names}.", USAGE)
    return found


def _show(wish: Wish, form: str, *, as_json: bool) -> None:
    findings = judge_wish(wish)
    wrong = bool(errors(findings))
    text = "" if wrong else FORMATS[form](wish)
    if as_json:
        show_json({"format": form, "text": text, "findings": msgspec.to_builtins(findings)})
    else:
        for finding in findings:
            complaints.print(str(finding), markup=False)
        typer.echo(text, nl=False)
    if wrong:
        raise typer.Exit(REFUSED)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
