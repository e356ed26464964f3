"""Real worker processes, on the test's database, against the test's simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from django_push.models import Application, Credential
from django_push.providers.base import get_provider_class
from django_push.simulator import Simulator

__all__ = ["endpoints", "make_credentials", "wait_until", "worker_process"]


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


@contextmanager
def worker_process(settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """``manage.py push_worker`` with ``settings`` in ``DJANGO_PUSH``; killed if it is left over."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PUSH_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "PUSH_TEST_SETTINGS": json.dumps(settings),
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "push_worker"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Poll; fails when it has not come true."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"Not within {seconds} s.")
        time.sleep(0.02)
