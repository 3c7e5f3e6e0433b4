"""Other clients' threads beside a client that means harm: its moves, and what can be seen of the others."""
