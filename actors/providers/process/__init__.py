"""An agent's process: its environment, its guardian, its pipes and its end."""
