"""A lane hands over what its channel takes, which may become less while it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from django_push.delivery import claim
from django_push.models import Credential
from django_push.providers.base import Channel, Outcome
from django_push.submission import push
from django_push.worker import Worker
from tests.support.scripted import ScriptedProvider, script

pytestmark = pytest.mark.django_db(transaction=True)


class Breaking(Channel[Any]):
    """Takes ten devices; the first write ends the connection that would take the rest."""

    def __init__(self) -> None:
        self.left = 10
        self.taken: list[str] = []

    def room(self) -> int:
        return self.left

    def send(self, prepared: Any, devices: Sequence[tuple[int, str, int]]) -> None:
        if len(devices) > self.left:
            raise ValueError(f"{len(devices)} requests are more than room() allows")
        self.taken += [address for _, address, _ in devices]
        self.in_flight += len(devices)
        self.left = 0

    def take(self) -> Outcome:
        return Outcome()


@pytest.fixture(autouse=True)
def scripted(settings, application, monkeypatch):
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {"scripted": "tests.support.scripted.ScriptedProvider"},
    }
    script.reset()
    channel = Breaking()
    monkeypatch.setattr(ScriptedProvider, "open", lambda self, selector: channel)
    Credential.objects.create(application=application, provider="scripted", name="main")
    return channel


def hand_over() -> None:
    worker = Worker(listen=False)
    worker.sender.begin_all(claim(worker.name))
    worker.sender.step(0)
    for run in worker.sender.runs.values():
        run.lost = True
    worker.sender.close(timeout=0)  # its answers never come


def test_several_pushes(application, device, scripted):
    for number in range(3):
        phone = device(f"{number:064x}")
        push(application, audience={"installations": [phone.public_id]}, title="Hi")
    hand_over()
    assert len(scripted.taken) == 1


def test_several_languages_of_one_push(application, device, scripted):
    phones = [device(f"{n:064x}", locale=tag) for n, tag in enumerate(("de", "fr", "en"))]
    listed = {"installations": [phone.public_id for phone in phones]}
    push(application, audience=listed, title="Hi", texts={"de": {"title": "Hallo"}})
    hand_over()
    assert len(scripted.taken) < 3
