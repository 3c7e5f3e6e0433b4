"""Pure rules: what a command appends to the log, what events mean, what recovery settles. No clock, no I/O."""
