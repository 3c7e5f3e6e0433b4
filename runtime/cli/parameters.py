"""Parameters that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

database_argument: Final = click.argument("database", metavar="DB", type=click.Path(path_type=Path))

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
