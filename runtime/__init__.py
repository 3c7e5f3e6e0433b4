"""Composition and faces: the host that starts and stops everything, the runtime that it yields, the command line."""

if __name__ == "runtime":
    raise ImportError("import orchestrion.runtime, not runtime")
