"""`python -m orchestrion.actors.providers.rehearsal`: run the rehearsal agent on standard input and output."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import __doc__ as manual
from .agent import RehearsalAgent
from .sessions import SessionFiles


def main() -> int:
    options = _options()
    state = options.state or _default_state()
    agent = RehearsalAgent(
        SessionFiles(state), resume=options.resume, steering=options.steering, incoming=sys.stdin.buffer
    )
    return agent.run()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrion.actors.providers.rehearsal",
        description=manual,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="where sessions are kept")
    parser.add_argument(
        "--resume",
        choices=["load", "resume", "none"],
        default="load",
        help="the way to resume that is advertised (default: load)",
    )
    parser.add_argument("--steering", action="store_true", help="take messages into a running turn")
    return parser.parse_args()


def _default_state() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "orchestrion-rehearsal"


if __name__ == "__main__":
    sys.exit(main())
