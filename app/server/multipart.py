"""Requests that bring files, by the GraphQL multipart request specification.

A form with the fields `operations` (the body that would have been sent as JSON, null in place of each file), `map`
(field of a file -> places in `operations`) and the files. All of it is in memory, within the limit of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from app.bulk_import.uploaded_file import UploadedFile
from app.core.errors import BadRequest

FORM = "multipart/form-data"
MOST_FIELDS = 20
LONGEST_HEADERS = 4096  # bytes, of one field
LONGEST_BOUNDARY = 70  # characters, RFC 2046, 5.1.1


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the form; `file` is its file name, None when it is no file."""

    content: bytes
    file: str | None


def is_form(content_type: str) -> bool:
    """Whether a body of this type is a form."""
    return content_type.partition(";")[0].strip().lower() == FORM


def fields_of(content_type: str, body: bytes) -> Mapping[str, _Field]:
    """The fields of a form, by name. Raises BadRequest."""
    boundary = _parameter(content_type, "boundary")
    if not boundary or len(boundary) > LONGEST_BOUNDARY or not boundary.isascii():
        raise BadRequest(f"The Content-Type {FORM} needs a `boundary` of 1 to {LONGEST_BOUNDARY} characters.")
    delimiter = b"\r\n--" + boundary.encode()
    opening, *parts = (b"\r\n" + body).split(delimiter, MOST_FIELDS + 2)
    if opening.strip() or not parts or not parts[-1].startswith(b"--"):
        raise BadRequest("The form does not begin and end with its boundary: it is not whole, or of too many fields.")
    found: dict[str, _Field] = {}
    for part in parts[:-1]:
        name, field = _field(part)
        if name in found:
            raise BadRequest(f"The form has the field `{name[:50]}` twice.")
        found[name] = field
    return found


def with_files(operations: Any, places: Any, files: Mapping[str, _Field]) -> Any:
    """`operations` with the files in their places. Raises BadRequest."""
    if not isinstance(operations, dict):
        raise BadRequest("`operations` must be a JSON object; batches are not accepted.")
    if not isinstance(places, dict) or not places:
        raise BadRequest('`map` must be a JSON object like {"0": ["variables.file"]}.')
    if unnamed := sorted(files.keys() - places.keys()):
        raise BadRequest(f"`map` does not say where the file `{unnamed[0][:50]}` belongs.")
    for name, paths in places.items():
        field = files.get(name)
        if field is None or field.file is None:
            raise BadRequest(f"`map` names the file `{name[:50]}`, which the form does not have.")
        if not isinstance(paths, list) or len(paths) != 1 or not isinstance(paths[0], str):
            raise BadRequest(f"`map` must give one place for `{name[:50]}`, in a list.")
        _put(operations, paths[0], UploadedFile(field.file, field.content))
    return operations


def _put(operations: dict[str, Any], path: str, file: UploadedFile) -> None:
    """Replaces the null at this place."""
    wrong = BadRequest(f"`map` names the place `{path[:100]}`, where the variables in `operations` have no null.")
    steps = path.split(".")
    if steps[0] != "variables" or len(steps) < 2:
        raise wrong
    holder: Any = operations
    for step in steps[:-1]:
        holder = holder[_key(holder, step, wrong)]
    last = _key(holder, steps[-1], wrong)
    if holder[last] is not None:
        raise wrong
    holder[last] = file


def _key(holder: Any, step: str, wrong: BadRequest) -> str | int:
    """What a step of a path means in this object or list. Raises `wrong` where it has no such place."""
    if isinstance(holder, dict) and step in holder:
        return step
    if isinstance(holder, list) and step.isascii() and step.isdecimal() and int(step[:9]) < len(holder):
        return int(step[:9])
    raise wrong


def _field(part: bytes) -> tuple[str, _Field]:
    head, separator, content = part.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"\r\n") or len(head) > LONGEST_HEADERS:
        raise BadRequest("A field of the form has no proper headers.")
    headers = dict[str, str]()
    for line in head.decode("utf-8", "replace").strip().split("\r\n"):
        header, _, value = line.partition(":")
        headers[header.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    name = _parameter(disposition, "name")
    if disposition.partition(";")[0].strip().lower() != "form-data" or not name:
        raise BadRequest("A field of the form has no name.")
    return name, _Field(content, _parameter(disposition, "filename"))


def _parameter(header: str, name: str) -> str | None:
    """A parameter of a header, as mail has them."""
    message = Message()
    message["x"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name, header="x")
    return found[2] if isinstance(found, tuple) else found
