"""Long-lived tasks that exchange messages, a room for each job.

- `log/`: commands are decided and committed, the log is published and followed.
- `projecting/`: rows follow the log, and are rebuilt while the runtime serves.
- `checkpoints/`: workspaces are captured and reverted, by `git/`.
- `providers/`: agents are driven, a room for each protocol.
- `sessions/`: the intents of each thread are performed.

This package has what all rooms share: supervision, detached tasks, shields, served time.
"""

if __name__ == "actors":
    raise ImportError("import orchestrion.actors, not actors")
