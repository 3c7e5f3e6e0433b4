"""What a user's decision allows Claude Code, in the terms of its SDK."""

from __future__ import annotations

import pytest


@pytest.mark.lesson("L89")
def test_suggestion_that_is_not_shown_is_not_allowed_for_the_session() -> None:
    sdk = pytest.importorskip("claude_agent_sdk", reason="make agents")
    from claude_agent_sdk.types import PermissionRuleValue, PermissionUpdate

    from orchestrion.actors.providers.claude.permissions import offered_options, permission_result

    contents = [*(f"make {number}" for number in range(16)), "*"]
    suggestions = [
        PermissionUpdate(
            type="addRules", rules=[PermissionRuleValue(tool_name="Bash", rule_content=content)], behavior="allow"
        )
        for content in contents
    ]
    suggestions.append(PermissionUpdate(type="addDirectories", directories=["/"]))
    shown = " ".join(option.name for option in offered_options(suggestions))
    result = permission_result("acceptForSession", "Bash", suggestions)
    assert isinstance(result, sdk.PermissionResultAllow)
    allowed = [rule.rule_content for update in result.updated_permissions or () for rule in update.rules or ()]
    assert allowed == contents[:16]
    assert all(f"({content})" in shown for content in allowed)
    assert "(*)" not in shown
