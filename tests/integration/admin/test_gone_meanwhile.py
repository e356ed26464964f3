"""A push that is purged between any two statements of a page about it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from django_push.hygiene.chunks import delete
from django_push.models import PushHistory
from django_push.submission import push
from django_push.testing import outbox
from tests.support.between import BeforeStatement

pytestmark = pytest.mark.django_db(transaction=True)


def purge_all() -> None:
    delete(PushHistory, list(PushHistory.objects.values_list("pk", flat=True)))


@pytest.fixture
def sent(application, device):
    def send() -> PushHistory:
        device("a" * 64)
        device("fail" + "0" * 60)
        history = push(application, audience={"everyone": True}, title="Half price")
        outbox.deliver()
        return history

    return send


PAGES = ("change", "progress", "result", "failures", "stop", "pause", "resume", "copy")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_about_a_push_that_is_purged_meanwhile(root, sent, page):
    number, done, verb = 0, True, root.get if PAGES.index(page) < 5 else root.post
    while done:
        history = sent()
        purged = BeforeStatement(number, purge_all)
        with connection.execute_wrapper(purged):
            answer = verb(reverse(f"admin:django_push_pushhistory_{page}", args=[history.pk]))
            if answer.streaming:
                list(answer)
        assert answer.status_code < 500, number
        number, done = number + 1, purged.done
    assert number > 2
