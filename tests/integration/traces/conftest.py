"""A provider whose answers the test writes, its credential, and a worker."""

from __future__ import annotations

import pytest

from django_push.models import Credential
from django_push.worker import Worker
from tests.support.scripted import script


@pytest.fixture(autouse=True)
def credential(settings, application) -> Credential:
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {"scripted": "tests.support.scripted.ScriptedProvider"},
        "RETRY_SECONDS": 300.0,
        "MAX_ATTEMPTS": 3,
    }
    script.reset()
    yield Credential.objects.create(application=application, provider="scripted", name="main")
    script.reset()


@pytest.fixture
def worker():
    worker = Worker(listen=False)
    yield worker
    worker.close()
