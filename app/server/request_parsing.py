"""Parsers for GraphQL requests: JSON bodies, forms, query strings and WebSocket payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from app.core.errors import BadRequest
from app.engine.request import GraphQLRequest
from app.server.multipart import insert_files, is_form, parse_form
from app.server.strict_json import parse_json

MAX_BODY_BYTES = 256 * 1024
MAX_PARAMETERS = 50
# Of an object in the variables. No input type has nearly as many fields, and an error is made for each unknown one.
MAX_NAMES = 200

# Without a CORS preflight, a page of another site can send SIMPLE_TYPES only, and none of these headers.
PREFLIGHT_HEADERS = (b"apollo-require-preflight", b"x-apollo-operation-name", b"graphql-require-preflight")
SIMPLE_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class UnsupportedMediaType(BadRequest):
    """The body is not JSON in UTF-8."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class BodyTooLarge(BadRequest):
    """The body exceeds the size limit."""

    code = "BODY_TOO_LARGE"


class BodyTooSlow(BadRequest):
    """The body did not arrive in time."""

    code = "BODY_TOO_SLOW"


class UnsupportedPersistedQueryVersion(BadRequest):
    """The automatic persisted query has a version other than 1."""

    code = "PERSISTED_QUERY_VERSION"


def parse_body(content_type: str, body: bytes, path_id: str | None) -> GraphQLRequest:
    """Parse the body of a POST request. `path_id` is the document id in the URL, if any. Raises BadRequest."""
    if is_form(content_type):
        return _parse_form_body(content_type, body, path_id)
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "application/json":
        raise UnsupportedMediaType(
            f"The body must be application/json, not {media_type[:100] or 'without a content type'}."
        )
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")]
    if any(charset not in {"utf-8", "utf8"} for charset in charsets):
        raise UnsupportedMediaType("The body must be encoded in UTF-8.")
    content = parse_json(body, "The body")
    if isinstance(content, list):
        raise BadRequest("Batches are not accepted: send one operation per request.")
    if not isinstance(content, dict):
        raise BadRequest("The body must be a JSON object.")
    return _graphql_request(content, path_id, is_get=False)


def _parse_form_body(content_type: str, body: bytes, path_id: str | None) -> GraphQLRequest:
    fields = dict(parse_form(content_type, body))
    if missing := [name for name in ("operations", "map") if name not in fields]:
        raise BadRequest(f"The form has no field `{missing[0]}`: files are sent as the GraphQL multipart request says.")
    operations, file_map = (parse_json(fields.pop(name).content, f"`{name}`") for name in ("operations", "map"))
    return _graphql_request(insert_files(operations, file_map, fields), path_id, is_get=False)._replace(has_files=True)


def parse_payload(payload: Mapping[str, Any]) -> GraphQLRequest:
    """Parse the payload of a `subscribe` message. Raises BadRequest."""
    return _graphql_request(payload, None, is_get=False)


def parse_query_string(query_string: bytes, path_id: str | None) -> GraphQLRequest:
    """Parse a GET request. `path_id` is the document id in the URL, if any. Raises BadRequest."""
    parts = query_string.split(b"&")
    if len(parts) > MAX_PARAMETERS:
        raise BadRequest(f"The query string has more than {MAX_PARAMETERS} parameters.")
    content: dict[str, Any] = {}
    try:
        for part in parts:
            if not part:
                continue
            quoted_name, _, quoted_value = part.partition(b"=")
            name = _unquote(quoted_name)
            if name in content:
                raise BadRequest(f"The parameter `{name[:50]}` is given twice.")
            content[name] = _unquote(quoted_value)
    except UnicodeError:
        raise BadRequest("The query string is not URL-encoded UTF-8.") from None
    for name in ("variables", "extensions"):
        if name in content:
            content[name] = parse_json(content[name].encode(), f"`{name}`") if content[name] else None
    return _graphql_request(content, path_id, is_get=True)


def _unquote(part: bytes) -> str:
    """Decode a name or value as in a form. Raises UnicodeError if it is not URL-encoded UTF-8."""
    part.decode("ascii")
    return unquote_to_bytes(part.replace(b"+", b" ")).decode()


def _graphql_request(content: Mapping[str, Any], path_id: str | None, is_get: bool) -> GraphQLRequest:
    extensions = _object(content, "extensions")
    ids = [v for name in ("documentId", "doc_id", "id") if (v := _string(content, name)) is not None]
    ids += [path_id] if path_id is not None else []
    text, apq_hash = _string(content, "query"), _apq_hash(extensions)
    if len(set(ids)) > 1 or (ids and (text is not None or apq_hash is not None)):
        raise BadRequest("Name the document once: by `documentId` (or `doc_id`, `id`, the URL), or by `query`.")
    if not ids and not text and apq_hash is None:
        raise BadRequest("Name a document by `documentId`, or give its text in `query`.")
    variables = _object(content, "variables")
    _check_name_counts(variables)
    return GraphQLRequest(
        document_id=ids[0] if ids else None,
        apq_hash=apq_hash,
        text=text,
        operation_name=_string(content, "operationName"),
        variables=variables,
        extensions=extensions,
        is_get=is_get,
    )


def _check_name_counts(variables: Mapping[str, Any]) -> None:
    containers: list[Any] = [variables]
    while containers:
        container = containers.pop()
        if isinstance(container, list):
            containers += [item for item in container if isinstance(item, (list, dict))]
            continue
        if len(container) > MAX_NAMES:
            raise BadRequest(f"An object in `variables` has more than {MAX_NAMES} names.")
        containers += [value for value in container.values() if isinstance(value, (list, dict))]


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
    persisted_query = extensions.get("persistedQuery")
    if persisted_query is None:
        return None
    if not isinstance(persisted_query, dict):
        raise BadRequest("`extensions.persistedQuery` must be an object.")
    if persisted_query.get("version") != 1:
        raise UnsupportedPersistedQueryVersion("Unsupported persisted query version")
    digest = persisted_query.get("sha256Hash")
    if not isinstance(digest, str) or not digest or len(digest) > 256:
        raise BadRequest("`extensions.persistedQuery.sha256Hash` must be a string.")
    return digest


def check_csrf(request: GraphQLRequest, headers: Mapping[bytes, bytes], relaxed: bool) -> None:
    """Reject a request that a page of another site could send without a CORS preflight. Raises BadRequest.

    Persisted documents by GET are safe: they change nothing, and the other site cannot read the response. `relaxed`
    (development) also admits other queries by GET, so that a URL can be opened in a browser.
    """
    if request.is_get and (request.is_persisted or relaxed):
        return
    media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
    if (media_type and media_type not in SIMPLE_TYPES) or any(name in headers for name in PREFLIGHT_HEADERS):
        return
    raise BadRequest(
        "A request like this could come from a page of another site: send `Content-Type: application/json` "
        "or the header `graphql-require-preflight`."
    )


def canonical_variables(variables: Mapping[str, Any], declared: frozenset[str]) -> bytes:
    """Return the values of the `declared` variables as JSON with sorted names: equal values give equal bytes."""
    return orjson.dumps({name: variables[name] for name in declared if name in variables}, option=orjson.OPT_SORT_KEYS)
