"""What SQLite keeps: the log, receipts, the command transaction, projections with their positions, and reads."""

if __name__ == "persistence":
    raise ImportError("import orchestrion.persistence, not persistence")
