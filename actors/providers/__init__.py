"""Adapters: the protocols of agents behind one interface (`adapter.py`)."""
