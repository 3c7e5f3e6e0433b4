"""The rehearsal agent: a small agent that speaks the Agent Client Protocol and follows its prompt.

It needs no model, no network and nothing but Python's standard library, and it does the same every time. A prompt is
a script, one directive per line; a line that begins with no directive is streamed as text. `\\n` in an argument is a
line break. Paths are relative to the session's workspace and stay within it.

    say TEXT            stream TEXT, word by word
    think TEXT          stream a thought
    plan A; B           show a plan with these steps
    run TITLE           a tool call that completes
    exec COMMAND        a tool call that runs a shell command, in a session of its own, and ends it with the turn
    background COMMAND  run a shell command, in a session of its own, without waiting for it
    write PATH CONTENT  ask to edit PATH, write it when allowed, say so when not
    ask TITLE           ask permission and report the decision
    question TEXT       ask the user for text, and say the answer; `TEXT: A; B` asks to choose one of the options
    secret TEXT         ask the user for a secret, and say how many characters it has
    form JSON           ask the user to fill in this JSON schema, and say the values in the order of their names
    recall              say how many earlier turns this session remembers, and their prompts
    see                 say which images came with the prompt
    show PATH           stream the image at PATH
    draw PATH           a tool call whose content is the image at PATH
    delay SECONDS       wait
    slow SECONDS        wait so long before each chunk of text from now on
    wait-for PATH       wait until PATH exists
    touch PATH          create an empty file without asking
    flood BYTES         a tool call with that much output
    stderr TEXT         write TEXT to standard error
    stop REASON         end the turn with this stop reason (refusal, max_tokens, max_turn_requests)
    fail MESSAGE        answer the prompt with an error
    exit CODE           exit at once
    garbage             send a line that is no message
    hang                never answer, whatever the client asks
    ignore-eof          keep running when standard input ends
    ignore-term         keep running on SIGTERM
    spawn               start a child that sleeps, in the same process group, and say its pid

With `--steering` a message sent into a running turn is performed after the line that runs, before the rest.

Only one prompt runs at a time. `session/cancel` ends it at the next wait, chunk or question with the stop reason
`cancelled`, as does a permission or a question that is answered so. A permission that is allowed always is not asked
for again by this process, for calls of the same kind.

Sessions are kept in the state directory, one file each: a turn's prompt is on the disk before its first word is
streamed. `session/load` replays them.
"""

from __future__ import annotations

from os import PathLike

from ..process.interpreter import find_python

__all__ = ["rehearsal_command"]


def rehearsal_command(
    *,
    state: str | PathLike[str] | None = None,
    resume: str = "load",
    steering: bool = False,
    python: str | PathLike[str] | None = None,
) -> tuple[str, ...]:
    """The command line of a rehearsal agent, for `AcpProvider`.

    `state` is where it keeps its sessions, by default in the user's state directory. `resume` is what it advertises:
    `load`, `resume` (which does not replay) or `none`. With `steering` it takes messages into a running turn. `python`
    is the interpreter that has this package, by default this process's own, or one that is found.

    Raises:
        ProviderUnavailable: no interpreter has this package.
    """
    options = ("--resume", resume, "--steering") if steering else ("--resume", resume)
    command = (find_python(python, module=__name__), "-P", "-m", __name__, *options)
    return command if state is None else (*command, "--state", str(state))
