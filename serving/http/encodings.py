"""What a body is encoded in that is no JSON in UTF-8, so that the refusal can say so."""

from __future__ import annotations

import re
from json import detect_encoding

_REMEDY = "send one valid UTF-8 JSON document"
_GZIP = b"\x1f\x8b"
_CHARSET = re.compile(r"""charset\s*=\s*"?([^";\s]+)""", re.IGNORECASE)


def refusal(body: bytes, parsing: ValueError, content_type: str) -> str:
    """Why a body could not be read and what to do about it; repeats nothing of it.

    Args:
        body: what the parser refused.
        parsing: its reason, which is the answer where the encoding isn't to blame.
        content_type: the header. JSON between systems is UTF-8 whatever charset is declared (RFC 8259, 8.1 and 11), so
            that one only matters for what to tell.
    """
    reason = _wrong_encoding(body)
    if reason is None:
        return f"{parsing}; {_REMEDY}"
    declared = _CHARSET.search(content_type)
    if declared is not None and declared[1].lower() not in ("utf-8", "utf8"):
        reason += " (the charset in Content-Type changes nothing)"
    return f"{reason}; {_REMEDY}"


def _wrong_encoding(body: bytes) -> str | None:
    if body.startswith(_GZIP):
        return "the body is compressed with gzip, which is not read: leave out the compression"
    encoding = detect_encoding(body)
    if encoding == "utf-8-sig":
        return "the body begins with a byte order mark (EF BB BF), which JSON has none of: leave it out"
    if encoding != "utf-8" and _is(body, encoding):
        name = encoding[:6].upper()
        return f"the body is in {name}, which is not read: encode it in UTF-8, without a byte order mark"
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        return (
            f"the body is not UTF-8, of which byte {exc.start + 1} can be no part: encode it in UTF-8, not in Latin-1"
        )
    return None


def _is(body: bytes, encoding: str) -> bool:
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        return False
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")
