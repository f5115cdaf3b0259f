"""vLLM's errors in our shape."""

import json

import pytest

from inference.errors import normalised


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (
            400,
            b'{"error": {"message": "too long", "type": "BadRequestError", "code": 400}}',
            "invalid_request",
            "too long",
        ),
        (400, b'{"message": "older form", "code": 400}', "invalid_request", "older form"),
        (500, b"Internal Server Error", "engine_error", "Internal Server Error"),
        (500, b"", "engine_error", "vLLM answered 500"),
        (404, b'{"detail": "Not Found"}', "not_found", '{"detail": "Not Found"}'),
        (400, b'{"error": "just text"}', "invalid_request", '{"error": "just text"}'),
    ],
)
def test_every_error_has_a_message_and_a_code(status: int, body: bytes, code: str, message: str) -> None:
    error = json.loads(normalised(status, body))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["message"]) == (code, message)
