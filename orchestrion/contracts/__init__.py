"""Data that every part agrees on: ids, commands, events, provider events, the read model. No behaviour."""
