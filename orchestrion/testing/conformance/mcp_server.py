"""An MCP server with one tool, for scenarios: `python -m orchestrion.testing.conformance.mcp_server FILE`.

The tool `keep` appends a line to FILE: its `text`, and the value of the variable `KEEPER`. It uses the standard library
alone, so that every agent can start it fast. Source: https://modelcontextprotocol.io/specification, stdio transport
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

TOOL: Final = {
    "name": "keep",
    "description": "Keeps a text.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "annotations": {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False},
}
METHOD_NOT_FOUND: Final = -32601


def main() -> None:
    """Serve until the end of input."""
    file = Path(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        reply = {"jsonrpc": "2.0", "id": request["id"], **_answer(request["method"], request.get("params") or {}, file)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def _answer(method: str, params: dict[str, Any], file: Path) -> dict[str, Any]:
    match method:
        case "initialize":
            capabilities: dict[str, Any] = {"tools": {}}
            information = {"name": "keeper", "version": "1"}
            version = params["protocolVersion"]
            return {"result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": information}}
        case "ping":
            return {"result": {}}
        case "tools/list":
            return {"result": {"tools": [TOOL]}}
        case "tools/call":
            with file.open("a") as lines:
                lines.write(f"{params['arguments']['text']} {os.environ.get('KEEPER', 'nobody')}\n")
            return {"result": {"content": [{"type": "text", "text": "kept"}]}}
        case _:
            return {"error": {"code": METHOD_NOT_FOUND, "message": f"there is no method {method}"}}


if __name__ == "__main__":
    main()
