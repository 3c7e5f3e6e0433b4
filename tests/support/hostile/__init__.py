"""Other clients' threads next to a hostile client: its moves, and what is visible of the other threads."""
