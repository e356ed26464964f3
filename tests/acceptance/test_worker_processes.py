"""``manage.py push_worker --processes 2``: one command, two senders, each device once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from django_push.models import Application, Credential, Installation, PushHistory
from django_push.submission import push
from tests.support.processes import wait_until, worker_process
from tests.unit.providers import files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def given(settings: Any, tmp_path: Path) -> dict[str, Any]:
    given = {"REDIRECT_TO": "file", "FILE": str(tmp_path / "deliveries.jsonl"), "BATCH_SIZE": 10}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given}
    return given


def test_two_processes_share_the_work(given: dict[str, Any], tmp_path: Path) -> None:
    application = Application.objects.register(None, "Concert Hall", key="hall")
    tokens = [f"{number:064x}" for number in range(200)]
    for token in tokens:
        Installation.objects.register(application, device_type="ios", address=token)
    said, alive = tmp_path / "said", tmp_path / "alive"
    command = [sys.executable, "manage.py", "push_worker", "--processes=2", f"--alive-file={alive}"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PUSH_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "PUSH_TEST_SETTINGS": json.dumps(given),
    }
    with said.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: said.read_text().count("is ready") == 2)
        history = push(application, audience={"everyone": True}, title="Doors open")
        unfinished = PushHistory.objects.filter(pk=history.pk, finished_at=None)
        wait_until(lambda: not unfinished.exists())
        lines = Path(given["FILE"]).read_text().splitlines()
        assert Counter(json.loads(line)["token"] for line in lines) == Counter(tokens)
        assert alive.exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert said.read_text().endswith("Push worker stopped; nothing was left behind.\n")
        assert not alive.exists()
    finally:
        process.kill()
        process.wait()


def test_a_worker_stores_what_the_settings_declare_and_starts_whatever_is_wrong(
    settings: Any, tmp_path: Path
) -> None:
    Application.objects.register(None, "Concert Hall", key="hall")
    key = tmp_path / "AuthKey_ABCDE12345.p8"
    key.write_bytes(files.pem(files.ec_key()))
    typed = {"team_id": "TEAM123456", "topic": "com.example.app"}
    good = {"application": "hall", "provider": "apns", "file": str(key), **typed}
    wrong = {"application": "hall", "provider": "apns", "file": str(tmp_path / "lost.p8")}
    with worker_process({"CREDENTIALS": [good, wrong]}) as worker:
        assert Credential.objects.get().public["key_id"] == "ABCDE12345"
        said = worker.output
    assert 'DJANGO_PUSH["CREDENTIALS"][1]' in said
    assert "lost.p8 cannot be read" in said
    assert "PRIVATE KEY" not in said
