"""The page that people look at: the files that the build of `web/` left here, served from memory."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

BUILT = Path(__file__).parents[1] / "web_dist"
DOCUMENTS = "documents.json"  # the manifest of the page's documents
NOT_BUILT = (
    "The page is not built. With Node 20.19 or newer `make run` builds it, or `npm ci && npm run build` in web/ and a"
    " restart. The API is at /graphql.\n"
)
# Files of the build that are not for browsers.
PRIVATE = {DOCUMENTS, "budget.json", ".sources"}
# The best first. Twins of these names lie beside what they are made of.
ENCODINGS = {"br": ".br", "gzip": ".gz"}
FOREVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"
# Scripts and styles are files of our own; what they set on single elements goes through the DOM, which this allows.
POLICY = "; ".join(
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
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class File:
    """A file in each encoding there is of it ("" is the file itself), with its ETag."""

    media_type: str
    cache_control: str
    bodies: Mapping[str, tuple[bytes, str]]

    def response(self, headers: Headers) -> Response:
        """What a browser with these headers gets: 304 when it has this very body."""
        accepted = _accepted(headers.get("accept-encoding", ""))
        encoding = next((each for each in ENCODINGS if each in self.bodies and each in accepted), "")
        body, etag = self.bodies[encoding]
        told = {**SECURITY, "cache-control": self.cache_control, "etag": etag, "vary": "Accept-Encoding"}
        if etag in (each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=told)
        if encoding:
            told["content-encoding"] = encoding
        return Response(body, headers=told, media_type=self.media_type)


class Pages:
    """An ASGI application for everything that is no other route: files of the build, or its index.html for a page."""

    def __init__(self, folder: Path = BUILT) -> None:
        self.files = _read(folder)
        self.index = self.files.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._response(scope)(scope, receive, send)

    def _response(self, scope: Scope) -> Response:
        path, headers = scope["path"], Headers(scope=scope)
        is_page = path == "/" or ("." not in path.rpartition("/")[2] and "text/html" in headers.get("accept", ""))
        file = self.files.get(path) or (self.index if is_page else None)
        if file is None:
            return PlainTextResponse(NOT_BUILT if is_page else "There is no such page.\n", 404, SECURITY)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("GET or HEAD.\n", 405, {**SECURITY, "allow": "GET, HEAD"})
        return file.response(headers)


def _read(folder: Path) -> dict[str, File]:
    """Path to file, of a build that is whole; empty when there is none."""
    if not (folder / "index.html").is_file():
        return {}
    files = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in PRIVATE and path.suffix not in ENCODINGS.values():
            files[f"/{name}"] = _file(path, hashed=name.startswith("assets/"))
    return files


def _file(path: Path, *, hashed: bool) -> File:
    """`hashed`: its name changes with its content."""
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    media_type = f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed
    twins = {encoding: path.with_name(path.name + suffix) for encoding, suffix in ENCODINGS.items()}
    bodies = {
        encoding: _body(twin) for encoding, twin in {"": path, **twins}.items() if encoding == "" or twin.is_file()
    }
    return File(media_type, FOREVER if hashed else ASK_FIRST, bodies)


def _body(path: Path) -> tuple[bytes, str]:
    content = path.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _accepted(header: str) -> set[str]:
    """The encodings that an Accept-Encoding names and does not forbid."""
    parts = (part.partition(";") for part in header.lower().split(","))
    return {name.strip() for name, _, weight in parts if weight.replace(" ", "") not in ("q=0", "q=0.0")}
