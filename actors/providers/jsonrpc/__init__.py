"""JSON-RPC over the standard streams of an agent."""
