"""Starting and stopping: in a thread, as a command, with and without Django."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from django_push.simulator import (
    EngineMissingError,
    Options,
    PortError,
    Simulator,
    StateError,
    load_identity,
)
from django_push.simulator.engines import http2_engine
from tests.unit.simulator.tokens import provider_token

from .client import Client
from .conftest import TOPIC

ROOT = Path(__file__).parents[3]
PLAIN = [sys.executable, "-m", "django_push.simulator"]
DJANGO = [sys.executable, "manage.py", "push_simulator"]
FREE_PORTS = ["--port=0", "--control-port=0", "--fcm-port=0", "--sandbox-port=0"]
PAYLOAD = b'{"aps":{"alert":"Hello"}}'


@contextmanager
def running(command: list[str], state: Path, *options: str) -> Iterator[tuple[dict[str, str], int]]:
    """Run the command; yield what it prints and its process id, and expect a quiet end."""
    process = subprocess.Popen(
        [*command, *FREE_PORTS, f"--state={state}", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdout is not None
    lines: dict[str, str] = {}
    for line in process.stdout:
        name, _, value = line.partition(":")
        lines[name] = value.strip()
        if name == "FCM project":
            break
    try:
        yield lines, process.pid
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize("command", [PLAIN, DJANGO], ids=["plain", "django"])
def test_the_command_serves_what_it_prints(command: list[str], state_dir: Path) -> None:
    identity = load_identity(state_dir)
    with running(command, state_dir) as (lines, _):
        assert lines["Topics"] == TOPIC
        assert lines["APNs key id, team"] == f"{identity.key_id}, {identity.team_id}"
        jwt = provider_token(identity)
        with Client(lines["APNs production"], identity) as client:
            reply = client.request(
                f"/3/device/{'ab' * 32}",
                PAYLOAD,
                ("authorization", f"bearer {jwt}"),
                ("apns-topic", TOPIC),
            )
            assert reply.status == 200
        with urllib.request.urlopen(lines["Control"] + "/deliveries?since=0") as response:
            (delivery,) = json.load(response)
        assert delivery["payload"] == json.loads(PAYLOAD)
        account = load_identity(state_dir).service_account
        assert account["token_uri"] == lines["OAuth token"]


def test_ctrl_c_stops_it_quietly_even_with_clients_connected(state_dir: Path) -> None:
    identity = load_identity(state_dir)
    with running(PLAIN, state_dir) as (lines, pid), Client(lines["FCM"], identity) as client:
        os.kill(pid, signal.SIGINT)
        client.until(lambda: client.closed)


def test_the_log_is_complete_after_the_end(state_dir: Path, tmp_path: Path) -> None:
    identity, log = load_identity(state_dir), tmp_path / "pushes.jsonl"
    with (
        running(PLAIN, state_dir, f"--log={log}") as (lines, _),
        Client(lines["APNs production"], identity) as client,
    ):
        for number in range(20):
            client.request(f"/3/device/{number:064x}", PAYLOAD)

    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["token"] for entry in entries] == [f"{number:064x}" for number in range(20)]
    assert {entry["outcome"] for entry in entries} == {"MissingProviderToken"}


def test_the_log_is_written_while_it_runs(state_dir: Path, tmp_path: Path) -> None:
    log = tmp_path / "pushes.jsonl"
    with Simulator.run(state_dir, log=log) as simulator:
        with Client(simulator.apns_url, simulator.identity) as client:
            client.request(f"/3/device/{'ab' * 32}", PAYLOAD)
        deadline = time.monotonic() + 60
        while not log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert json.loads(log.read_text())["n"] == 1


@pytest.mark.parametrize("command", [PLAIN, DJANGO], ids=["plain", "django"])
def test_a_taken_port_is_named(command: list[str], state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [*command, *FREE_PORTS[1:], f"--port={port}", f"--state={state_dir}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert result.returncode == 1
    assert f"Port {port} on 127.0.0.1" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_state_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = subprocess.run(
        [*PLAIN, *FREE_PORTS, f"--state={tmp_path / 'file'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 1
    assert "can not write" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_log_that_can_not_be_written_is_named(state_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"nowhere/log\.jsonl can not be opened"):
        Simulator.run(state_dir, log=tmp_path / "nowhere" / "log.jsonl")


def test_a_thread_ends_with_its_context(state_dir: Path) -> None:
    before = threading.active_count()
    with Simulator.run(state_dir) as simulator, Client(simulator.apns_url, simulator.identity):
        assert threading.active_count() == before + 1
        port = int(simulator.apns_url.rpartition(":")[2])

    assert threading.active_count() == before
    simulator.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_fails_in_the_callers_thread(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=str(port)):
            Simulator(Options(state_dir=state_dir, apns_port=port))


def test_waiting_for_deliveries_ends(state_dir: Path) -> None:
    with (
        Simulator.run(state_dir) as simulator,
        pytest.raises(TimeoutError, match="0 of 1 deliveries"),
    ):
        simulator.wait_for(1, timeout=0.1)


def test_clients_must_trust_its_authority(state_dir: Path) -> None:
    with Simulator.run(state_dir) as simulator:
        address = ("127.0.0.1", int(simulator.apns_url.rpartition(":")[2]))
        with (
            socket.create_connection(address, timeout=5) as raw,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(raw, server_hostname="127.0.0.1")


def test_the_better_engine_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert http2_engine()().name == "ngh2"
    monkeypatch.setitem(sys.modules, "ngh2", None)
    assert http2_engine()().name == "h2"
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(EngineMissingError, match="pip install"):
        http2_engine()


def test_it_needs_no_django() -> None:
    script = "import sys, django_push.simulator; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="auto, ngh2 or h2"):
        http2_engine("nginx")
