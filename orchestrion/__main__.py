"""The command line: `orchestrion`, or `python -m orchestrion`. It needs the extra `cli`."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run one command and exit: 0 done, 1 finding or refusal, 2 usage, 129 hung up, 130 interrupted, 143 terminated."""
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        print(
            f"orchestrion: the command line needs {' and '.join(missing)}: pip install 'orchestrion[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        from orchestrion.runtime.cli.app import run

        sys.exit(run())
    except KeyboardInterrupt:  # before the command began
        sys.exit(130)


if __name__ == "__main__":
    main()
