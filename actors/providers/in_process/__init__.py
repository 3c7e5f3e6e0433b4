"""Agents that are asynchronous generators of the host: no process, no protocol, the read model as their memory."""
