"""All that is changed of BentoML and uvicorn themselves, in one place and once a process; nothing changes at import."""

from __future__ import annotations

import uvicorn.config

from serving.bento.ciphers import default_ciphers
from serving.bento.clock import go_by_a_steady_clock
from serving.bento.listening import take_many_connections
from serving.bento.protocol import HTTPProtocol
from serving.http.in_flight import BytesInFlight
from serving.settings import Settings


def install(settings: Settings) -> None:
    """Have uvicorn parse, listen and encrypt, and BentoML tell the time, as this needs it.

    Args:
        settings: what heads, bodies and answers are held to.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "serving.bento.protocol:HTTPProtocol"
    take_many_connections()
    default_ciphers()
    go_by_a_steady_clock()
    HTTPProtocol.head_seconds = settings.head_seconds
    HTTPProtocol.body_seconds = settings.body_seconds
    HTTPProtocol.answer_seconds = settings.answer_seconds
    HTTPProtocol.max_body_bytes = settings.max_body_bytes
    HTTPProtocol.in_flight = BytesInFlight(*settings.bytes_in_flight())
