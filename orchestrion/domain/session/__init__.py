"""The state machine of one thread's provider session: states, inputs, effects, and the transitions between them.

Pure, in the manner of h11: no clock, no randomness, no input or output. `transitions.step` takes a state and an input
and returns the next state with the effects that a worker performs. Replies to effects come back as inputs.
"""
