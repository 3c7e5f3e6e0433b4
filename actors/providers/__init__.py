"""Adapters: what an agent speaks, behind one protocol."""
