"""What hosts and the authors of adapters test with: docs/testing.md. None of it is imported by `orchestrion`.

- `given(…).when(command).then(…)` decides commands in memory.
- `temporary_runtime()` opens a runtime with a clock and ids that repeat, with `RehearsalProvider` as its agent.
- `orchestrion.testing.conformance` is the suite that every adapter passes. It needs the extra `orchestrion[testing]`.
"""

from .counting_mint import CountingMint
from .given import Given, Outcome, Sent, given
from .temporary_runtime import TemporaryRuntime, temporary_runtime

__all__ = [
    "CountingMint",
    "Given",
    "Outcome",
    "Sent",
    "TemporaryRuntime",
    "given",
    "temporary_runtime",
]
