"""Real worker processes, on the test's database, against the test's simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection

from django_push.models import Application, Credential
from django_push.providers.base import get_provider_class
from django_push.simulator import Simulator

__all__ = [
    "LoggedProcess",
    "WorkerProcess",
    "endpoints",
    "environment_for",
    "make_credentials",
    "running",
    "wait_until",
    "worker_process",
]

Process = TypeVar("Process", bound="LoggedProcess")

PATIENCE = 120.0
"""Seconds. It is spent only where something is broken: a machine with other things to do stands
still for seconds, and takes several times as long as a free one."""


def endpoints(simulator: Simulator) -> dict[str, Any]:
    """``DJANGO_PUSH`` settings that point at a simulator."""
    return {
        "APNS_PRODUCTION_URL": simulator.apns_url,
        "APNS_SANDBOX_URL": simulator.sandbox_url,
        "FCM_URL": simulator.fcm_url,
        "FCM_TOKEN_URL": simulator.token_url,
        "CA_FILE": str(simulator.identity.ca_file),
    }


def make_credentials(application: Application, simulator: Simulator) -> None:
    """An APNs key and a service account, uploaded as staff would."""
    identity = simulator.identity
    apns = Credential(application=application, provider="apns", name="Apple")
    key = identity.apns_key.encode()
    apns.take_file(get_provider_class("apns").read_file(f"AuthKey_{identity.key_id}.p8", key))
    apns.topic = identity.topics[0]
    apns.public |= {"key_id": identity.key_id, "team_id": identity.team_id}
    apns.save()
    fcm = Credential(application=application, provider="fcm", name="Google")
    account = json.dumps(identity.service_account).encode()
    fcm.take_file(get_provider_class("fcm").read_file("service-account.json", account))
    fcm.save()


def environment_for(settings: Mapping[str, Any]) -> dict[str, str]:
    """What a process needs to share the test's database, with ``settings`` in ``DJANGO_PUSH``."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PUSH_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "PUSH_TEST_SETTINGS": json.dumps(settings),
    }


class LoggedProcess(subprocess.Popen[bytes]):
    """A process whose words go to a file: a pipe that nobody reads stops one that complains."""

    ready = ""
    """What it says when it has begun to work."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        super().__init__(
            command, env=dict(environment), stdout=self._said, stderr=subprocess.STDOUT
        )

    @property
    def output(self) -> str:
        """Everything that it has said so far."""
        return os.pread(self._said.fileno(), 1 << 24, 0).decode(errors="replace")

    @property
    def is_ready(self) -> bool:
        """Whether it has begun to work; raises when it ended instead."""
        if self.ready in self.output:
            return True
        if self.poll() is not None:
            raise AssertionError(f"{self.args} ended at once:\n{self.output}")
        return False

    def wait_ready(self, seconds: float = PATIENCE) -> None:
        wait_until(lambda: self.is_ready, seconds)

    def end(self) -> None:
        """SIGKILL, if it is still there."""
        if self.poll() is None:
            self.kill()
        self.wait()
        self._said.close()


class WorkerProcess(LoggedProcess):
    """``manage.py push_worker`` with ``settings`` in ``DJANGO_PUSH``.

    ``environment`` comes on top of the test's own.
    """

    ready = "is ready"

    def __init__(
        self, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
    ) -> None:
        command = [sys.executable, "manage.py", "push_worker"]
        super().__init__(command, {**environment_for(settings), **(environment or {})})


@contextmanager
def running(process: Process) -> Iterator[Process]:
    """Wait until it is ready; it is killed if it is left over. A test that fails shows what it
    said."""
    try:
        process.wait_ready()
        yield process
    except BaseException:
        print(f"--- {process.args} ({process.pid}) said:\n{process.output[-8000:]}")
        raise
    finally:
        process.end()


@contextmanager
def worker_process(
    settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[WorkerProcess]:
    """A worker that is ready."""
    with running(WorkerProcess(settings, environment)) as worker:
        yield worker


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Poll; fails when it has not come true."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"Not within {seconds} s.")
        time.sleep(0.02)
