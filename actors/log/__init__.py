"""Commands are decided and committed; the log is published and followed."""
