"""A server at work, and how a test asks it."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.viewing.layers import Shown
from tests.pipeline.viewing.placed import Case

if TYPE_CHECKING:
    from pipeline.viewing.server import ViewServer


@dataclass
class Served:
    """A server at work and what it has told."""

    view: ViewServer
    shown: Shown
    case: Case
    told: list[str] = field(default_factory=list)

    def data(self, layer: str) -> str:
        return f"/data/{self.view.token}/{layer}"

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body; the path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.view.port, timeout=60)
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body
