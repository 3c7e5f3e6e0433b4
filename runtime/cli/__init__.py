"""The command line: one file per command. `app` has the group that they are registered in."""
