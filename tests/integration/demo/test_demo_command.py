"""What ``manage.py demo`` looks at before it starts anything."""

from __future__ import annotations

import socket

import pytest
from django.core.management import CommandError, call_command

from demo_project.management.commands.demo import welcome
from demo_project.supervisor import ending


@pytest.fixture(autouse=True)
def ports(settings, monkeypatch):
    """Ports that were free a moment ago, for all that the demo opens."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
    free = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    monkeypatch.setenv("PORT", str(free.pop()))
    for name in ("", "CONTROL_", "FCM_", "SANDBOX_"):
        setattr(settings, f"SIMULATOR_{name}PORT", free.pop())


@pytest.mark.parametrize("name", ["PORT", "SIMULATOR_PORT", "SIMULATOR_SANDBOX_PORT"])
def test_a_busy_port_is_a_sentence_with_its_cure(settings, monkeypatch, name):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        if name == "PORT":
            monkeypatch.setenv(name, str(port))
        else:
            setattr(settings, name, port)
        with pytest.raises(CommandError) as refusal:
            call_command("demo")
    message = str(refusal.value)
    assert message.startswith(f"Port {port} is used by another program")
    assert f"another port: {name}=" in message
    assert message.endswith(" make demo")


def test_a_port_that_is_wanted_twice_is_refused(settings):
    with pytest.raises(CommandError, match="is wanted twice: give PORT another"):
        call_command("demo", port=settings.SIMULATOR_PORT)


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(CommandError, match="PORT must be a number from 1 to 65535, not"):
        call_command("demo")


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        (None, "the simulated Apple and Google"),
        ("file", "the file pushes.jsonl, not to the phones"),
        ("console", "“console”, not to the phones"),
    ],
)
def test_the_welcome_says_where_pushes_go(settings, redirect, expected):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": redirect, "FILE": "pushes.jsonl"}
    text = welcome(8123)
    assert expected in text
    assert "http://127.0.0.1:8123/phones/" in text


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit code 0"), (3, "ended with exit code 3"), (-9, "was ended by SIGKILL")],
)
def test_how_a_child_ended_is_said_in_words(code, words):
    assert ending(code) == words
