"""Projections follow the log, each with its position, and are rebuilt while the runtime serves."""
