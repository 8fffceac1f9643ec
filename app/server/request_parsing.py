"""What a GraphQL request looks like on the wire: many shapes in, one `Ask` out, or one clear error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from app.core.errors import BadRequest
from app.engine.request import Ask
from app.server.multipart import fields_of, is_form, with_files
from app.server.strict_json import strict_json

MAX_BODY = 256 * 1024
MAX_PARAMETERS = 50

# A request from another site's page can carry none of these without the browser asking first (CORS preflight).
PREFLIGHT_HEADERS = (b"apollo-require-preflight", b"x-apollo-operation-name", b"graphql-require-preflight")
SIMPLE_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class UnsupportedMediaType(BadRequest):
    """A body that is not JSON in UTF-8."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class BodyTooLarge(BadRequest):
    """A body over the limit."""

    code = "BODY_TOO_LARGE"


class BodyTooSlow(BadRequest):
    """A body that does not arrive."""

    code = "BODY_TOO_SLOW"


class UnsupportedPersistedQueryVersion(BadRequest):
    """An automatically persisted query of another version than 1."""

    code = "PERSISTED_QUERY_VERSION"


def from_body(content_type: str, body: bytes, path_id: str | None) -> Ask:
    """A POST. Raises BadRequest."""
    if is_form(content_type):
        return _from_form(content_type, body, path_id)
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "application/json":
        raise UnsupportedMediaType(f"The body must be application/json, not {media_type or 'without a content type'}.")
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")]
    if any(charset not in {"utf-8", "utf8"} for charset in charsets):
        raise UnsupportedMediaType("The body must be encoded in UTF-8.")
    content = strict_json(body, "The body")
    if isinstance(content, list):
        raise BadRequest("Batches are not accepted: send one operation per request.")
    if not isinstance(content, dict):
        raise BadRequest("The body must be a JSON object.")
    return _ask(content, path_id, by_get=False)


def _from_form(content_type: str, body: bytes, path_id: str | None) -> Ask:
    fields = dict(fields_of(content_type, body))
    if missing := [name for name in ("operations", "map") if name not in fields]:
        raise BadRequest(f"The form has no field `{missing[0]}`: files are sent as the GraphQL multipart request says.")
    operations, places = (strict_json(fields.pop(name).content, f"`{name}`") for name in ("operations", "map"))
    return _ask(with_files(operations, places, fields), path_id, by_get=False)._replace(has_files=True)


def from_payload(payload: Mapping[str, Any]) -> Ask:
    """An operation in a message of a socket. Raises BadRequest."""
    return _ask(payload, None, by_get=False)


def from_query_string(query_string: bytes, path_id: str | None) -> Ask:
    """A GET. Raises BadRequest."""
    parts = query_string.split(b"&")
    if len(parts) > MAX_PARAMETERS:
        raise BadRequest(f"The query string has more than {MAX_PARAMETERS} parameters.")
    content: dict[str, Any] = {}
    try:
        for part in parts:
            if not part:
                continue
            quoted_name, _, quoted_value = part.partition(b"=")
            name = _unquoted(quoted_name)
            if name in content:
                raise BadRequest(f"The parameter `{name[:50]}` is given twice.")
            content[name] = _unquoted(quoted_value)
    except UnicodeError:
        raise BadRequest("The query string is not URL-encoded UTF-8.") from None
    for name in ("variables", "extensions"):
        if name in content:
            content[name] = strict_json(content[name].encode(), f"`{name}`") if content[name] else None
    return _ask(content, path_id, by_get=True)


def _unquoted(part: bytes) -> str:
    """As in a form. Raises UnicodeError for what is not URL-encoded UTF-8."""
    part.decode("ascii")
    return unquote_to_bytes(part.replace(b"+", b" ")).decode()


def _ask(content: Mapping[str, Any], path_id: str | None, by_get: bool) -> Ask:
    extensions = _object(content, "extensions")
    ids = [v for name in ("documentId", "doc_id", "id") if (v := _string(content, name)) is not None]
    ids += [path_id] if path_id is not None else []
    text, apq_hash = _string(content, "query"), _apq_hash(extensions)
    if len(set(ids)) > 1 or (ids and (text is not None or apq_hash is not None)):
        raise BadRequest("Name the document once: by `documentId` (or `doc_id`, `id`, the URL), or by `query`.")
    if not ids and not text and apq_hash is None:
        raise BadRequest("Name a document by `documentId`, or give its text in `query`.")
    return Ask(
        document_id=ids[0] if ids else None,
        apq_hash=apq_hash,
        text=text,
        operation_name=_string(content, "operationName"),
        variables=_object(content, "variables"),
        extensions=extensions,
        by_get=by_get,
    )


def _string(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"`{name}` must be a string.")
    return value or None


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequest(f"`{name}` must be an object.")
    return value or {}


def _apq_hash(extensions: Mapping[str, Any]) -> str | None:
    given = extensions.get("persistedQuery")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise BadRequest("`extensions.persistedQuery` must be an object.")
    if given.get("version") != 1:
        raise UnsupportedPersistedQueryVersion("Unsupported persisted query version")
    digest = given.get("sha256Hash")
    if not isinstance(digest, str) or not digest or len(digest) > 256:
        raise BadRequest("`extensions.persistedQuery.sha256Hash` must be a string.")
    return digest


def check_csrf(ask: Ask, headers: Mapping[bytes, bytes], relaxed: bool) -> None:
    """Refuses what a page of another site could send without being asked. Raises BadRequest.

    `relaxed` (development): a query by GET may pass, so that an address can be typed.
    """
    if ask.by_get and (ask.persisted or relaxed):
        return
    media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
    if (media_type and media_type not in SIMPLE_TYPES) or any(name in headers for name in PREFLIGHT_HEADERS):
        return
    raise BadRequest(
        "A request like this could come from a page of another site: send `Content-Type: application/json` "
        "or the header `graphql-require-preflight`."
    )


def canonical(variables: Mapping[str, Any], declared: frozenset[str]) -> bytes:
    """The variables that the operation declares, in one spelling: equal values, equal bytes."""
    return orjson.dumps({name: variables[name] for name in declared if name in variables}, option=orjson.OPT_SORT_KEYS)
