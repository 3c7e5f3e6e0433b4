"""Parameters that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click


class _DatabasePath(click.Path):
    """A path that is not empty: `Path("")` would be the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("the path of the database is empty: name a file", param, ctx)
        return super().convert(value, param, ctx)


database_argument: Final = click.argument("database", metavar="DB", type=_DatabasePath(path_type=Path))

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
