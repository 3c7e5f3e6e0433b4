"""Workspaces are captured after each turn, compared, and reverted."""
