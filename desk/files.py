"""The desk's own files, read once: a browser keeps each under a name that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_KEPT = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class File:
    """One file.

    Attributes:
        name: with a digest of its content in it.
        media_type: of it.
        content: as it is.
        packed: by gzip.
    """

    name: str
    media_type: str
    content: bytes
    packed: bytes

    @classmethod
    def read(cls, path: Path) -> File:
        """From the folder."""
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        name = f"{path.stem}.{digest}{path.suffix}"
        return cls(name, _TYPES[path.suffix], content, gzip.compress(content, mtime=0))

    def response(self, request: Request) -> Response:
        """To a browser."""
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, headers={**_KEPT, "Content-Encoding": "gzip"}, media_type=self.media_type)
        return Response(self.content, headers=_KEPT, media_type=self.media_type)


def read_files() -> dict[str, File]:
    """All of them by their plain names."""
    return {path.name: File.read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}
