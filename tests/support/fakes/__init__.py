"""Scripted models on loopback, in the words of their APIs, for real agents to talk to."""
