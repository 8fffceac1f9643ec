"""GraphQL multipart requests: forms that upload files.

A form has the fields `operations` (the JSON body of the request, with null in place of each file), `map` (name of a
file field -> its places in `operations`), and the files. It is held in memory; the settings limit its size.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.bulk_import.uploaded_file import UploadedFile
from app.core.errors import BadRequest

FORM = "multipart/form-data"
MAX_FIELDS = 21  # `operations`, `map` and 19 files
MAX_HEADERS_BYTES = 4096  # of one field
MAX_BOUNDARY_LENGTH = 70  # RFC 2046, section 5.1.1

# The parser logs a warning for each invalid form. Such a form is a client error, which has a response of its own.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form; `filename` is None if it is not a file."""

    content: bytes
    filename: str | None


def is_form(content_type: str) -> bool:
    """Return whether a Content-Type header announces a form."""
    return content_type.partition(";")[0].strip().lower() == FORM


def parse_form(content_type: str, body: bytes) -> Mapping[str, FormField]:
    """Return the fields of a form by name. Raises BadRequest."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary or len(boundary) > MAX_BOUNDARY_LENGTH or not boundary.isascii():
        raise BadRequest(f"The Content-Type {FORM} needs a `boundary` of 1 to {MAX_BOUNDARY_LENGTH} characters.")
    return _FormReader(boundary).read(body)


def insert_files(operations: Any, file_map: Any, files: Mapping[str, FormField]) -> Any:
    """Return `operations` with the files in the places that `file_map` gives them. Raises BadRequest."""
    if not isinstance(operations, dict):
        raise BadRequest("`operations` must be a JSON object; batches are not accepted.")
    if not isinstance(file_map, dict) or not file_map:
        raise BadRequest('`map` must be a JSON object like {"0": ["variables.file"]}.')
    if unmapped := sorted(files.keys() - file_map.keys()):
        raise BadRequest(f"`map` does not say where the file `{unmapped[0][:50]}` belongs.")
    for name, paths in file_map.items():
        field = files.get(name)
        if field is None or field.filename is None:
            raise BadRequest(f"`map` names the file `{name[:50]}`, which the form does not have.")
        if not isinstance(paths, list) or len(paths) != 1 or not isinstance(paths[0], str):
            raise BadRequest(f"`map` must give one place for `{name[:50]}`, in a list.")
        _insert(operations, paths[0], UploadedFile(field.filename, field.content))
    return operations


def _insert(operations: dict[str, Any], path: str, file: UploadedFile) -> None:
    """Replace the null at a path like `variables.file` or `variables.files.0`."""
    steps = path.split(".")
    if steps[0] != "variables" or len(steps) < 2:
        raise _no_such_place(path)
    container: Any = operations
    for step in steps[:-1]:
        container = container[_key(container, step, path)]
    key = _key(container, steps[-1], path)
    if container[key] is not None:
        raise _no_such_place(path)
    container[key] = file


def _key(container: Any, step: str, path: str) -> str | int:
    """Return the key or index that a step of `path` means in an object or list. Raises BadRequest if it has none."""
    if isinstance(container, dict) and step in container:
        return step
    if isinstance(container, list) and step.isascii() and step.isdecimal() and int(step[:9]) < len(container):
        return int(step[:9])
    raise _no_such_place(path)


def _no_such_place(path: str) -> BadRequest:
    return BadRequest(f"`map` names the place `{path[:100]}`, where the variables in `operations` have no null.")


class _FormReader:
    """Collects the fields of one form from the callbacks of the parser."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._fields: dict[str, FormField] = {}
        self._fields_begun = 0
        self._complete = False
        self._in_headers = False
        self._headers_start: int | None = None
        self._header_name = b""
        self._disposition = b""
        self._name = ""
        self._filename: str | None = None
        self._content: list[bytes] = []

    def read(self, body: bytes) -> Mapping[str, FormField]:
        """Parse the whole form. Raises BadRequest."""
        parser = MultipartParser(
            self._boundary,
            {
                "on_part_begin": self._begin_field,
                "on_header_field": self._set_header_name,
                "on_header_value": self._set_header_value,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_content,
                "on_part_end": self._end_field,
                "on_end": self._end_form,
            },
            max_header_size=MAX_HEADERS_BYTES,
        )
        try:
            # The parser would skip text before the first boundary.
            if body.removeprefix(b"\r\n").startswith(b"--" + self._boundary):
                parser.write(body)
        except FormParserError:
            if self._in_headers:
                raise BadRequest("A field of the form has no proper headers.") from None
        if not self._complete:
            raise _malformed()
        return self._fields

    # The parser gets the whole body in one call, so it calls back once per header name and value.

    def _begin_field(self) -> None:
        self._fields_begun += 1
        if self._fields_begun > MAX_FIELDS:
            raise _malformed()
        self._in_headers, self._headers_start = True, None
        self._disposition, self._content = b"", []

    def _set_header_name(self, data: bytes, start: int, end: int) -> None:
        if self._headers_start is None:
            self._headers_start = start
        self._header_name = data[start:end].lower()

    def _set_header_value(self, data: bytes, start: int, end: int) -> None:
        assert self._headers_start is not None
        if end - self._headers_start > MAX_HEADERS_BYTES:
            raise BadRequest("A field of the form has no proper headers.")
        if self._header_name == b"content-disposition":
            self._disposition = data[start:end]

    def _end_headers(self) -> None:
        self._in_headers = False
        disposition, parameters = parse_options_header(self._disposition)
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if disposition != b"form-data" or not self._name:
            raise BadRequest("A field of the form has no name.")
        if self._name in self._fields:
            raise BadRequest(f"The form has the field `{self._name[:50]}` twice.")
        filename = parameters.get(b"filename")
        self._filename = None if filename is None else filename.decode("utf-8", "replace")

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end_field(self) -> None:
        self._fields[self._name] = FormField(b"".join(self._content), self._filename)

    def _end_form(self) -> None:
        self._complete = True


def _malformed() -> BadRequest:
    return BadRequest("The form does not begin and end with its boundary: it is incomplete, or has too many fields.")
