"""The command line: one file a command. `app` has the group that they are registered in."""
