"""What the command line says of a CIB in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

# As people write: an element over several lines, and no line for every element.
TEXT = """<cib admin_epoch="0"
     epoch="1"
     num_updates="0"><configuration><crm_config/><nodes/>
<resources><primitive id="db"
                      class="ocf" provider="heartbeat" type="Dummy"/></resources>
<constraints/></configuration><status/></cib>
"""


@pytest.mark.parametrize(
    ("command", "verdict"), [("check", "can be used"), ("verify", "there is no error")]
)
def test_finding_has_the_line_of_the_file(tmp_path: Path, command: str, verdict: str) -> None:
    file = tmp_path / "cib.xml"
    file.write_text(TEXT)

    result = CliRunner().invoke(app, ["cib", command, str(file)])

    assert result.exit_code == 0
    (told,) = result.stderr.splitlines()
    assert told.startswith(f"{file}:4: warning: resources: Fencing is enabled")
    assert result.stdout == f"{file}: {verdict}\n"
