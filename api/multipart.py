"""A form with one file, parsed as it arrives: the fields are kept, the file's bytes are handed on.

The parser is python-multipart's own, without the layer that FastAPI puts on it: that one writes the whole file to the
system's temporary folder before the route begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.errors import BadHttpRequest
from core.errors import InvalidRequest

FIELD_BYTES = 4096
FIELDS = 16
FILENAME_LENGTH = 255


class FileForm:
    """A `multipart/form-data` body with a file part called `file`; feed it, and take what came of the file."""

    def __init__(self, content_type: str) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        """As the sender calls the file, without folders; None until its part begins."""
        self._chunks: list[bytes] = []
        self._header, self._value = bytearray(), bytearray()
        self._disposition = ""
        self._name = ""
        self._field: bytearray | None = None
        """The field that is being read; None while it is the file."""
        self._is_complete = False
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise BadHttpRequest(
                "the file must come as a form: send `Content-Type: multipart/form-data` with a boundary, and the parts "
                "`file` and `purpose`"
            )
        with _explained():
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_data,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )

    def feed(self, chunk: bytes) -> list[bytes]:
        """Parse what has arrived; returns the file's bytes in it."""
        with _explained():
            self._parser.write(chunk)
        chunks, self._chunks = self._chunks, []
        return chunks

    def whole_file(self) -> str:
        """The file's name, at the end of the body; refuses one that breaks off, or that has no file."""
        if not self._is_complete:
            raise BadHttpRequest("the form breaks off before its last boundary: send all of it")
        if self.filename is None:
            raise InvalidRequest("file is missing: send the data set as the part `file`, with a filename", param="file")
        return self.filename

    def _begin_part(self) -> None:
        self._disposition = ""
        if len(self.fields) >= FIELDS:
            raise BadHttpRequest(f"the form has more than {FIELDS} fields: send `file` and `purpose`")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _begin_data(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        self._field = bytearray() if filename is None else None
        if filename is None:
            return
        if self._name != "file":
            raise InvalidRequest(f"{self._name} is no file that is known here: send one, as `file`", param=self._name)
        if self.filename is not None:
            raise InvalidRequest("the form has two files: send one at a time", param="file")
        name = PurePosixPath(filename.decode(errors="replace").replace("\0", "")).name
        self.filename = name[-FILENAME_LENGTH:] or "rows.jsonl"

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._chunks.append(data[start:end])
            return
        self._field.extend(data[start:end])
        if len(self._field) > FIELD_BYTES:
            raise InvalidRequest(f"{self._name} is longer than {FIELD_BYTES} bytes: shorten it", param=self._name)

    def _end_part(self) -> None:
        if self._field is not None:
            self.fields[self._name] = self._field.decode(errors="replace")

    def _end(self) -> None:
        self._is_complete = True


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise BadHttpRequest(f"the form cannot be parsed: {error}") from None
