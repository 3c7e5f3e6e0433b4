"""The options that an agent offers its client, in the protocol's current form and in the older one."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.acp.options import Option, read_options, setting_request
from orchestrion.contracts.ids import ProviderThreadId

S = ProviderThreadId("s")
MODEL = {"id": "m", "category": "model", "type": "select", "currentValue": "small", "options": []}


def test_options_are_chosen_by_their_category() -> None:
    other = {"id": "x", "category": "_theirs", "type": "select", "currentValue": "1"}
    assert read_options({"configOptions": [MODEL, other]}) == {"model": Option(config_id="m", current="small")}


def test_modes_of_the_older_kind_are_set_by_a_request_of_their_own() -> None:
    (option,) = read_options({"modes": {"currentModeId": "ask", "availableModes": []}}).values()
    request = setting_request(S, option, "code")
    assert (request.method, request.params) == ("session/set_mode", {"sessionId": "s", "modeId": "code"})


def test_an_option_goes_before_modes_of_the_older_kind() -> None:
    mode = {"id": "mode", "category": "mode", "currentValue": "code"}
    found = read_options({"modes": {"currentModeId": "ask"}, "configOptions": [mode]})
    request = setting_request(S, found["mode"], "ask")
    assert found == {"mode": Option(config_id="mode", current="code")}
    assert (request.method, request.params) == (
        "session/set_config_option",
        {"sessionId": "s", "configId": "mode", "value": "ask"},
    )


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"modes": None, "configOptions": None},
        {"configOptions": [None, {}, {"id": "a", "category": "model", "currentValue": True}]},
        {"configOptions": [{"category": "model", "currentValue": "small"}]},
    ],
)
def test_option_that_is_no_choice_is_ignored(message: Any) -> None:
    assert read_options(message) == {}
