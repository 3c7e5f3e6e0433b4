"""Scripted models on loopback that speak the APIs of real models, for real agents."""
