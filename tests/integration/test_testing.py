"""What a project's own tests use."""

from __future__ import annotations

import pytest
from django.test import TestCase

from django_push.models import Application, Credential, Installation, Owner
from django_push.submission import push
from django_push.testing import assert_push_sent, deliver_pushes, outbox


class InATestCase(TestCase):
    """Where on_commit never runs."""

    def setUp(self) -> None:
        self.application = Application.objects.register(None, "Hall", key="hall")
        Credential.objects.create(application=self.application, provider="apns")
        Installation.objects.register(
            self.application,
            device_type="ios",
            address="a" * 64,
            owner=Owner(user_key="ana", proved=True),
        )

    def test_everything_is_delivered_inline(self) -> None:
        with deliver_pushes():
            push(self.application, audience={"everyone": True}, title="You won")
            assert len(outbox.submitted) == 1
            assert len(outbox) == 0
        delivery = assert_push_sent(user="ana", title="You won", count=1)[0]
        assert delivery.token == "a" * 64

    def test_a_miss_says_what_was_sent(self) -> None:
        with deliver_pushes():
            push(self.application, audience={"everyone": True}, title="You won")
        with pytest.raises(AssertionError, match="You won"):
            assert_push_sent(title="You lost")
        with pytest.raises(AssertionError):
            assert_push_sent(user="ben")


def test_the_fixture(push_outbox, application):
    Installation.objects.register(application, device_type="android", address="b" * 30)
    push(application, audience={"everyone": True}, title="Hi")
    push_outbox.deliver()
    assert [d.token for d in push_outbox] == ["b" * 30]


def test_what_was_refused_was_not_sent(push_outbox, application):
    for token in ("gone" + "a" * 60, "b" * 64):
        Installation.objects.register(application, device_type="ios", address=token)
    push(application, audience={"everyone": True}, title="Hi")
    push_outbox.deliver()
    (delivery,) = assert_push_sent(title="Hi", count=1)
    assert delivery.token == "b" * 64
    with pytest.raises(AssertionError, match="unregistered"):
        assert_push_sent(title="Hi", count=2)
