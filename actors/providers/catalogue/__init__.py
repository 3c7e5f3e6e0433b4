"""The agents that are known by name: where each comes from, how it is started, what is peculiar to it."""
