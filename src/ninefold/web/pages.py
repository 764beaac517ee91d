"""The dashboard: one page, rendered here, refreshed in place; a client of the door like any other.

It only reads. Changes are made on the command line, where the user is known to the kernel.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, MediaType, Response, get
from litestar.concurrency import sync_to_thread

from ninefold.api.client import DoorClosedError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.api.client import Client

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Ninefold</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
.good { color: #18794e; } .bad { color: #cd2b31; font-weight: 600; } .warn { color: #ad5700; }
.quiet { color: #8a8a8a; font-size: .9rem; }
</style></head><body><h1>Ninefold</h1><main id="live">BODY</main>
<script>
async function refresh() {
  try {
    const answer = await fetch("fragment");
    document.getElementById("live").innerHTML = await answer.text();
  } catch { document.getElementById("live").classList.add("quiet"); }
  setTimeout(refresh, 1000);
}
setTimeout(refresh, 1000);
</script></body></html>
"""

# Everything is in the page itself. Even if a text got by unescaped, nothing foreign would be loaded
# and no other page can frame this one.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "connect-src 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}

GOOD = ("online", "Started", "Promoted")
BAD = ("unclean", "offline", "failed", "pending")


def build(client: Client) -> Litestar:
    """Return the dashboard's application for one node."""

    async def fragment_text() -> str:
        try:
            return render(await sync_to_thread(client.status))
        except (DoorClosedError, RefusedError) as error:
            return f'<p class="bad" role="alert">{escape(str(error))}</p>'

    @get("/", media_type=MediaType.HTML)
    async def page() -> Response[str]:
        return Response(PAGE.replace("BODY", await fragment_text()), headers=HEADERS)

    @get("/fragment", media_type=MediaType.HTML)
    async def fragment() -> Response[str]:
        return Response(await fragment_text(), headers=HEADERS)

    @get("/status.json")
    async def status() -> Response[bytes]:
        try:
            return Response(msgspec.json.encode(await sync_to_thread(client.status)))
        except (DoorClosedError, RefusedError) as error:
            body = msgspec.json.encode({"detail": str(error)})
            return Response(body, status_code=503)

    return Litestar([page, fragment, status], openapi_config=None)


def render(status: dict[str, Any]) -> str:
    """Return a status as HTML; every text in it is escaped."""
    resources = [
        (_name(r), r["role"], ", ".join(r["nodes"]), r["agent"], r["blocked"])
        for r in status["resources"]
    ]
    parts = [
        _head(status),
        _table("Nodes", ("node", "state", ""), [_node_row(node) for node in status["nodes"]]),
        _table("Resources", ("resource", "role", "node", "agent", ""), resources),
    ]
    if status["fencing"]:
        rows = [(f["node"], f["state"], f["reason"]) for f in status["fencing"]]
        parts.append(_table("Fencing", ("node", "state", "reason"), rows))
    if status["failures"]:
        rows = [(f["operation"], f["node"], f["reason"]) for f in status["failures"]]
        parts.append(_table("Failed operations", ("operation", "node", "reason"), rows))
    return "\n".join(parts)


def _head(status: dict[str, Any]) -> str:
    quorum = status["quorum"]
    verdict = '<span class="good">quorate</span>'
    if not quorum["quorate"]:
        verdict = f'<span class="bad">no quorum</span> {escape(quorum["reason"])}'
    who = f"{escape(status['cluster'] or 'cluster')}, seen from {escape(status['node'])}"
    lines = [f"{who}: {verdict}, DC {escape(status['dc'] or 'none')}, CIB {escape(status['cib'])}"]
    if status["store"]:
        lines.append(f'<span class="bad">{escape(status["store"])}</span>')
    lines += [f'<span class="warn">{escape(warning)}</span>' for warning in status["warnings"]]
    return "".join(f"<p>{line}</p>" for line in lines)


def _name(resource: dict[str, Any]) -> str:
    return f"{resource['group']}/{resource['id']}" if resource["group"] else str(resource["id"])


def _node_row(node: dict[str, Any]) -> tuple[str, str, str]:
    words = ("DC" if node["dc"] else "", node["detail"])
    return node["name"], node["state"], "; ".join(word for word in words if word)


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(f"<th>{escape(word)}</th>" for word in head)
    lines = "".join(
        "<tr>" + "".join(f"<td{_style(cell)}>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<h2>{escape(title)}</h2><table><tr>{cells}</tr>{lines}</table>"


def _style(word: str) -> str:
    if word in GOOD:
        return ' class="good"'
    return ' class="bad"' if word in BAD else ""
