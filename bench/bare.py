"""`python -m bench.bare asgi|starlette FILE`: a server that sends prepared responses, listening on DEALMARK_PORT.

FILE is a JSON object: path -> {"headers": [[name, value], ...], "body": text}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


def asgi(responses: dict[str, tuple[dict[str, str], bytes]]) -> ASGIApp:
    """Return a bare ASGI app: one lookup, two messages."""
    prepared = {
        path: ([(name.encode(), value.encode()) for name, value in headers.items()], body)
        for path, (headers, body) in responses.items()
    }

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        headers, body = prepared[scope["path"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def starlette(responses: dict[str, tuple[dict[str, str], bytes]]) -> ASGIApp:
    """Return a Starlette app with one route for all paths and no middleware."""

    async def respond(request: Request) -> Response:
        headers, body = responses[request.url.path]
        return Response(body, headers=headers)

    return Starlette(routes=[Route("/{path:path}", respond)])


def serve() -> None:
    """Run the server with the options of `dealmark serve`."""
    kind, file = sys.argv[1:]
    content = json.loads(Path(file).read_text())
    responses = {path: (response["headers"], response["body"].encode()) for path, response in content.items()}
    uvicorn.run(
        {"asgi": asgi, "starlette": starlette}[kind](responses),
        port=int(os.environ["DEALMARK_PORT"]),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    serve()
