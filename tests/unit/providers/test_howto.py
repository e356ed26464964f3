"""The example of docs/howto/add-a-provider.md, as it is printed there, against a real server."""

from __future__ import annotations

import json
import re
import threading
import types
import unittest
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from django_push.messages import Device, Envelope, Message, Status

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "add-a-provider.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
ANSWERS = {"404": "no_such_pager", "413": "text_too_long", "401": "bad_key", "503": "busy"}


class PagerServer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        code = body["pager"] if body["pager"] in ANSWERS else "200"
        content = json.dumps({"reason": ANSWERS.get(code)}).encode()
        self.send_response(int(code))
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def pager() -> Iterator[dict[str, Any]]:
    """What the page's module and its test define."""
    module = types.ModuleType("pager")
    exec(compile("\n".join(BLOCKS[1:]), str(PAGE), "exec"), module.__dict__)
    with ThreadingHTTPServer(("127.0.0.1", 0), PagerServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        vars(module)["URL"] = f"http://127.0.0.1:{server.server_port}"
        yield vars(module)
        server.shutdown()
        thread.join()


def test_the_example_keeps_the_contract(pager: dict[str, Any]) -> None:
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(pager["PagerTests"])
    result = unittest.TestResult()
    suite.run(result)
    assert result.failures + result.errors == []
    assert result.testsRun > 10


def test_the_example_translates_the_vendors_words(pager: dict[str, Any]) -> None:
    provider = pager["PagerProvider"](pager["PagerTests"].account)
    prepared = provider.prepare(Envelope(message=Message(title="T"), push_id="x"))
    found = [provider.deliver(prepared, Device(1, code, 1)).status for code in ("7", *ANSWERS)]
    assert found == [
        Status.SENT,
        Status.UNREGISTERED,
        Status.REJECTED,
        Status.UNAUTHORIZED,
        Status.DEFERRED,
    ]


def test_a_server_that_is_not_there_defers(pager: dict[str, Any]) -> None:
    pager["URL"], here = "http://127.0.0.1:9", pager["URL"]
    provider = pager["PagerProvider"](pager["PagerTests"].account)
    prepared = provider.prepare(Envelope(message=Message(title="T"), push_id="x"))
    result = provider.deliver(prepared, Device(1, "7", 1))
    pager["URL"] = here
    assert (result.status, result.reason) == (Status.DEFERRED, "ConnectionLost")
