"""The header `Idempotency-Key`: a caller's own name for a write that it may have to repeat.

Source: draft-ietf-httpapi-idempotency-key-header, which makes it a string of RFC 8941 in quotes.
Most clients send the bare text, so that is taken too; both are the same key.
"""

import re

from starlette.datastructures import Headers

from app.domain.errors import InvalidInput

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"\Z')


def read_idempotency_key(headers: Headers) -> str | None:
    """The key of a request, None without one. What a key may hold is the service's to check.

    Raises:
        InvalidInput: there are several, or one begins with a quotation mark and is no string.
    """
    match headers.getlist("idempotency-key"):
        case []:
            return None
        case [text]:
            if not text.startswith('"'):
                return text
            if quoted := _QUOTED.match(text):
                return re.sub(r"\\(.)", r"\1", quoted[1])
            raise InvalidInput.single(
                "must have its closing quotation mark at its end", "idempotency_key"
            )
        case _:
            raise InvalidInput.single("must be sent once", "idempotency_key")
