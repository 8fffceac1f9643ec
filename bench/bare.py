"""`python -m bench.bare asgi|starlette FILE`: servers that do nothing but send bytes they were given, at DEALMARK_PORT.

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


def asgi(answers: dict[str, tuple[dict[str, str], bytes]]) -> ASGIApp:
    """A bare ASGI route: one look-up, two messages."""
    ready = {
        path: ([(name.encode(), value.encode()) for name, value in headers.items()], body)
        for path, (headers, body) in answers.items()
    }

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        headers, body = ready[scope["path"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def starlette(answers: dict[str, tuple[dict[str, str], bytes]]) -> ASGIApp:
    """A bare Starlette route: one for all paths, without any middleware of ours."""

    async def answer(request: Request) -> Response:
        headers, body = answers[request.url.path]
        return Response(body, headers=headers)

    return Starlette(routes=[Route("/{path:path}", answer)])


def serve() -> None:
    """With the options of `dealmark serve`."""
    kind, file = sys.argv[1:]
    content = json.loads(Path(file).read_text())
    answers = {path: (answer["headers"], answer["body"].encode()) for path, answer in content.items()}
    uvicorn.run(
        {"asgi": asgi, "starlette": starlette}[kind](answers),
        port=int(os.environ["DEALMARK_PORT"]),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    serve()
