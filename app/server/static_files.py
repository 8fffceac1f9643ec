"""Files of the built web page (`web/`), served from memory."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

WEB_BUILD_DIR = Path(__file__).parents[1] / "web_dist"
DOCUMENTS_MANIFEST = "documents.json"  # the documents that the page uses
PAGE_NOT_BUILT = (
    "The page is not built. With Node 20.19 or newer `make run` builds it, or `npm ci && npm run build` in web/ and a"
    " restart. The API is at /graphql.\n"
)
# Files of the build that browsers do not need.
UNSERVED_FILES = {DOCUMENTS_MANIFEST, "budget.json", ".sources"}
# Suffix of compressed copies by content encoding, the preferred encoding first.
ENCODINGS = {"br": ".br", "gzip": ".gz"}
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
# Scripts and styles come from this server only. Styles that scripts set on elements through the DOM are allowed.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)
# Without `nosniff`, which RequestIdMiddleware adds to every response.
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class StaticFile:
    """A file with its compressed copies.

    `bodies`: content encoding -> body and ETag. The encoding of the uncompressed file is "".
    """

    media_type: str
    cache_control: str
    bodies: Mapping[str, tuple[bytes, str]]

    def response(self, headers: Headers) -> Response:
        """Return the file in an encoding that the request headers accept, or 304 if the client has it."""
        accepted = _accepted_encodings(headers.get("accept-encoding", ""))
        encoding = next((name for name in ENCODINGS if name in self.bodies and name in accepted), "")
        body, etag = self.bodies[encoding]
        response_headers = {
            **SECURITY_HEADERS,
            "cache-control": self.cache_control,
            "etag": etag,
            "vary": "Accept-Encoding",
        }
        if_none_match = headers.get("if-none-match", "").split(",")
        if etag in (validator.strip().removeprefix("W/") for validator in if_none_match):
            return Response(status_code=304, headers=response_headers)
        if encoding:
            response_headers["content-encoding"] = encoding
        return Response(body, headers=response_headers, media_type=self.media_type)


class StaticFiles:
    """ASGI application that serves the files of the build, and index.html for every page of the web application."""

    def __init__(self, build_dir: Path = WEB_BUILD_DIR) -> None:
        self.files = _read_build(build_dir)
        self.index = self.files.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._response(scope)(scope, receive, send)

    def _response(self, scope: Scope) -> Response:
        path, headers = scope["path"], Headers(scope=scope)
        is_page = path == "/" or ("." not in path.rpartition("/")[2] and "text/html" in headers.get("accept", ""))
        file = self.files.get(path) or (self.index if is_page else None)
        if file is None:
            return PlainTextResponse(PAGE_NOT_BUILT if is_page else "There is no such page.\n", 404, SECURITY_HEADERS)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("GET or HEAD.\n", 405, {**SECURITY_HEADERS, "allow": "GET, HEAD"})
        return file.response(headers)


def _read_build(build_dir: Path) -> dict[str, StaticFile]:
    """Return the files of a complete build by URL path; nothing if there is no index.html."""
    if not (build_dir / "index.html").is_file():
        return {}
    files = {}
    for path in sorted(path for path in build_dir.rglob("*") if path.is_file()):
        name = path.relative_to(build_dir).as_posix()
        if name not in UNSERVED_FILES and path.suffix not in ENCODINGS.values():
            files[f"/{name}"] = _read_file(path, hashed=name.startswith("assets/"))
    return files


def _read_file(path: Path, *, hashed: bool) -> StaticFile:
    """Read a file and its compressed copies. `hashed` files have the hash of their content in their name."""
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    media_type = f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed
    copies = {encoding: path.with_name(path.name + suffix) for encoding, suffix in ENCODINGS.items()}
    bodies = {"": _body_and_etag(path)}
    bodies |= {encoding: _body_and_etag(copy) for encoding, copy in copies.items() if copy.is_file()}
    return StaticFile(media_type, IMMUTABLE if hashed else REVALIDATE, bodies)


def _body_and_etag(path: Path) -> tuple[bytes, str]:
    content = path.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _accepted_encodings(header: str) -> set[str]:
    """Return the content encodings that an Accept-Encoding header lists with a quality above 0."""
    parts = (part.partition(";") for part in header.lower().split(","))
    return {name.strip() for name, _, quality in parts if quality.replace(" ", "") not in ("q=0", "q=0.0")}
