"""What an agent asks its user in a form: questions with options, free text or a typed value, and what answers them.

An answer is a JSON value, by the question's id:

    free text, or the label of an option    text
    several options (`multiple`)            a list of texts
    a `schema` of another type              a number or a boolean

Secret answers are given to the agent and never stored: where the log has one it is `SECRET_ANSWER`.
"""

from __future__ import annotations

from typing import Final

import attrs

from .ids import QuestionId
from .values import UNSET, JsonObject, Unset

MAX_QUESTIONS: Final = 32
"""Of one request."""

SECRET_ANSWER: Final = "[secret]"
"""What an event has in the place of a secret answer."""

UPDATED_INPUT: Final = "updatedInput"
"""The name under which the answers to an approval request have the changed input of its tool."""


@attrs.frozen(kw_only=True)
class QuestionOption:
    """One of the answers that a question offers. An answer names it by its label."""

    label: str
    description: str = ""


@attrs.frozen(kw_only=True)
class Question:
    """One field of a form. Where there are no options, an answer is free text or what `schema` describes.

    `multiple`: the answer is a list. `free_text`: with options, other text is accepted as well. `required`: the request
    cannot be accepted without an answer. `schema` is a JSON schema of a single value. Of it `type`, `minLength`,
    `maxLength`, `minimum`, `maximum`, `minItems` and `maxItems` are checked; the agent checks the rest.
    """

    id: QuestionId
    header: str
    text: str
    options: tuple[QuestionOption, ...] = ()
    multiple: bool = False
    free_text: bool = False
    required: bool = True
    secret: bool = False
    schema: JsonObject | Unset = UNSET
