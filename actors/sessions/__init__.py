"""The intents of each thread are performed: one worker per thread, at most one agent each."""
