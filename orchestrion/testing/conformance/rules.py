"""The rules that an adapter keeps, by the names that scenarios are marked with: `@pytest.mark.rule("…")`.

`docs/testing.md` lists them. `actors/providers/adapter.py` has the methods that they are about.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RULES"]

RULES: Final = {
    "session-started": (
        "The first event is SessionStarted with the agent's own name of the conversation; `process` is the agent's"
        " process with its start time, or None."
    ),
    "text-streams": "Text arrives as MessageDelta while it is generated; each message ends with one MessageCompleted.",
    "turn-ends-once": "A turn ends with one TurnCompleted. The session then takes the next turn.",
    "tools-reported": "A tool call has one ToolStarted and one ToolCompleted with the same item.",
    "images-pass": (
        "An image of a turn reaches the agent, or the turn is refused with a ProviderProtocolError. An image that the"
        " agent shows is one AttachmentProduced with its bytes, and they are in no other event."
    ),
    "approval-awaited": (
        "What needs permission is reported as ApprovalRequested and is not done before `respond`. Each request ends"
        " with one ApprovalResolved; a second answer is a ProviderProtocolError."
    ),
    "approval-decides": (
        "`accept` and `acceptForSession` allow, `decline` refuses and the turn goes on, `cancel` ends the turn with"
        " the outcome `cancelled`."
    ),
    "question-answered": (
        "What the agent asks its user is reported as QuestionRequested, with the agent's own texts and options, and its"
        " answers reach it. `decline` lets the turn go on without them, `cancel` ends the turn with the outcome"
        " `cancelled`. Each ends with one ApprovalResolved; a second answer is a ProviderProtocolError."
    ),
    "interrupt-ends-turn": (
        "`interrupt` ends the running turn with the outcome `interrupted`: its commands end, its open requests are"
        " resolved as `cancel`, and the session goes on."
    ),
    "failure-has-cause": (
        "A turn that fails ends with the outcome `failed` and the agent's words in `error`; the session goes on."
    ),
    "start-deadline": (
        "`connect` waits for an agent that starts slowly. One that is not ready within its deadline is a"
        " ProviderUnavailable and leaves no process."
    ),
    "close-ends-agent": (
        "`close`, leaving `connect`, an error and a cancellation end every process of the agent. The last event is"
        " SessionExited(asked=True), no turn is completed by it, and later calls raise SessionLost."
    ),
    "exit-reported": (
        "An agent that dies is reported as SessionExited(asked=False) with its exit code, without a TurnCompleted;"
        " later calls raise SessionLost."
    ),
    "host-death-ends-agent": "When its host is killed, every process of the agent ends.",
    "sessions-independent": "Two connections of one provider do not affect each other.",
    "conversation-resumes": (
        "`resume_cursor` lets another process continue the conversation, also after the agent or its host was killed."
    ),
    "history-dropped": "What an agent replays when it resumes is not reported.",
    "resume-refused": (
        "A cursor of an unknown conversation, or of another shape, is a ResumeRefused; no new conversation is started."
    ),
    "config-given": (
        "The agent has what `SessionRequest.config` gives, also when it resumes a conversation. What it cannot do is a"
        " ProviderUnavailable."
    ),
    "model-of-turn": "A turn's model holds for that turn; the next one has the conversation's own again.",
    "turns-forgotten": (
        "RollsBack: `forget` removes the first of the named turns that the conversation has and all after it. Asked"
        " again it removes nothing more; turns that never reached the agent do not count."
    ),
}
"""What each rule says."""
