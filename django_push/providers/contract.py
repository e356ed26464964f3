"""What every provider must keep to: a mixin for the tests of ours and of outside ones.

::

    class MyProviderTests(ProviderContract, unittest.TestCase):
        provider_class = MyProvider
        account = Account(provider="mine", ...)
        address = "an address that the provider accepts"

The server that the account leads to must accept :attr:`~ProviderContract.address`. Nothing else
is needed, not even pytest.
"""

from __future__ import annotations

import json
import selectors
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from ..exceptions import InvalidCredential, PayloadTooLarge
from ..messages import Account, Device, Envelope, Message, Status
from .base import Channel, Outcome, Provider

__all__ = ["ProviderContract", "drain", "refusal", "wait_for_room"]

ErrorT = TypeVar("ErrorT", bound=Exception)


def refusal(kind: type[ErrorT], function: Callable[..., object], *arguments: object) -> ErrorT:
    """The error of ``kind`` that a call raises; an ``AssertionError`` when it raises none."""
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{function} took {arguments} without {kind.__name__}")


def drain(
    channel: Channel[Any],
    selector: selectors.BaseSelector,
    prepared: Any,
    devices: Sequence[Device],
    timeout: float = 20.0,
) -> Outcome:
    """Send to all devices as the pipeline does and wait up to ``timeout`` seconds for the answers.

    Devices go in as plain tuples, as the pipeline hands them over.
    Returns early when the channel says that its credential was refused.
    """
    waiting: list[tuple[int, str, int]] = [(key, address, pk) for key, address, pk in devices]
    total = Outcome()
    end = time.monotonic() + timeout
    while len(total.sent) + len(total.results) < len(devices) and time.monotonic() < end:
        room = min(channel.room(), len(waiting))
        if room:
            channel.send(prepared, waiting[:room])
            waiting = waiting[room:]
        deadline = channel.deadline()
        pause = 0.05 if deadline is None else min(0.05, max(deadline - time.monotonic(), 0.0))
        for key, mask in selector.select(pause):
            key.data.client.owner.handle(key, mask)
        outcome = channel.take()
        total.sent += outcome.sent
        total.results += outcome.results
        if channel.refused:
            break
    return total


def wait_for_room(
    channel: Channel[Any], selector: selectors.BaseSelector, timeout: float = 20.0
) -> int:
    """Wait until the channel takes devices; returns how many, 0 after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not (room := channel.room()) and time.monotonic() < end:
        for key, mask in selector.select(0.05):
            key.data.client.owner.handle(key, mask)
        channel.take()
    return room


class ProviderContract:
    """Mix into a ``unittest.TestCase``, or into a class that pytest collects with these methods."""

    provider_class: ClassVar[type[Provider[Any]]]
    account: Account
    address: str = "a" * 64
    """The provider's server accepts it."""
    devices: ClassVar[int] = 25
    message = Message(title="Title", body="Body – ünïcödé", data={"order": 7, "deep": {"a": [1]}})

    def make_provider(self) -> Provider[Any]:
        return self.provider_class(self.account)

    def make_envelope(self, message: Message | None = None, **changes: Any) -> Envelope:
        return Envelope(message=message or self.message, push_id=str(uuid.uuid4()), **changes)

    def make_devices(self) -> list[Device]:
        return [Device(1000 + n, self.address, 1 + n) for n in range(self.devices)]

    def test_it_says_who_it_is(self) -> None:
        cls = self.provider_class
        for words in (cls.name, cls.verbose_name, cls.network):
            assert isinstance(words, str)
            assert words
        assert cls.payload_limit is None or cls.payload_limit > 0
        assert len({field.name for field in cls.fields}) == len(cls.fields)

    def test_it_is_made_without_reading_the_secret(self) -> None:
        """Payloads are shown and measured where no secret is at hand."""
        provider = self.provider_class(replace(self.account, secret=""))
        assert provider.payload_size(self.make_envelope()) > 0

    def test_the_secret_is_not_in_its_representation(self) -> None:
        secret = self.account.secret
        assert not secret or secret not in repr(self.account)

    def test_an_account_that_works_is_valid(self) -> None:
        self.provider_class.validate_account(self.account)

    def test_an_account_without_its_secret_is_refused(self) -> None:
        if not self.provider_class.needs_account:
            return
        account = replace(self.account, secret="")
        refusal(InvalidCredential, self.provider_class.validate_account, account)

    def test_an_account_without_a_required_field_is_refused(self) -> None:
        for field in self.provider_class.fields:
            if not field.required:
                continue
            if field.name == "topic":
                account = replace(self.account, topic="")
            else:
                public = {**self.account.public, field.name: ""}
                account = replace(self.account, public=public)
            error = refusal(InvalidCredential, self.provider_class.validate_account, account)
            assert error.field == field.name

    def test_a_file_that_is_none_is_refused_in_words(self) -> None:
        if not self.provider_class.needs_account:
            return
        for content in (b"", b"hello", b"\x00\xff" * 40, b"{}", b"[]", b"-----BEGIN X-----"):
            error = refusal(InvalidCredential, self.provider_class.read_file, "key", content)
            assert len(error.message) > 20, error.message

    def test_the_preview_is_json_without_secrets(self) -> None:
        provider = self.make_provider()
        preview = provider.preview(provider.prepare(self.make_envelope()), self.make_devices()[0])
        text = json.dumps([dict(preview.headers), dict(preview.payload)], ensure_ascii=False)
        assert "Body – ünïcödé" in text
        assert "authorization" not in {name.lower() for name in preview.headers}

    def test_a_repeat_bears_the_same_ids(self) -> None:
        provider, envelope = self.make_provider(), self.make_envelope()
        device = self.make_devices()[0]
        first, again = (provider.preview(provider.prepare(envelope), device) for _ in range(2))
        assert first.headers == again.headers

    def test_too_large_a_payload_is_refused_with_its_size(self) -> None:
        provider = self.make_provider()
        limit = provider.payload_limit
        if limit is None:
            return
        envelope = self.make_envelope(Message(title="T", body="x" * limit))
        error = refusal(PayloadTooLarge, provider.prepare, envelope)
        assert error.limit == limit
        assert error.size == provider.payload_size(envelope) > limit

    def test_a_payload_at_the_limit_is_taken(self) -> None:
        provider = self.make_provider()
        limit = provider.payload_limit
        if limit is None:
            return
        spare = limit - provider.payload_size(self.make_envelope(Message(title="T", body="x")))
        envelope = self.make_envelope(Message(title="T", body="x" * (spare + 1)))
        assert provider.payload_size(envelope) == limit
        provider.prepare(envelope)

    def test_its_own_addresses_are_kept_as_they_are(self) -> None:
        stored = self.provider_class.check_address(self.address)
        assert self.provider_class.check_address(stored) == stored

    def test_every_key_comes_back_exactly_once(self) -> None:
        devices = self.make_devices()
        outcome = self.send(devices)
        back = [*outcome.sent, *(key for key, _ in outcome.results)]
        assert sorted(back) == [device.key for device in devices]

    def test_accepted_devices_are_sent(self) -> None:
        devices = self.make_devices()
        outcome = self.send(devices)
        assert outcome.results == []
        assert sorted(outcome.sent) == [device.key for device in devices]

    def test_an_address_that_would_break_a_request_harms_itself_only(self) -> None:
        hostile = ['a"b', "a\\", "../../x", "a\r\nb", "ü", "", "a" * 5000, "a b", "a?b#c"]
        devices = [Device(n, address, n) for n, address in enumerate(hostile)]
        fine = Device(99, self.address, 99)
        outcome = self.send([*devices, fine])
        assert 99 in outcome.sent
        assert len(outcome.sent) + len(outcome.results) == len(devices) + 1
        assert all(isinstance(result.status, Status) for _, result in outcome.results)

    def test_a_channel_at_rest_is_at_peace(self) -> None:
        with selectors.DefaultSelector() as selector:
            channel = self.make_provider().open(selector)
            outcome = channel.take()
            assert (outcome.sent, outcome.results) == ([], [])
            assert channel.in_flight == 0
            channel.close()
            channel.close()

    def test_closing_gives_back_what_is_under_way(self) -> None:
        provider, devices = self.make_provider(), self.make_devices()
        prepared = provider.prepare(self.make_envelope())
        with selectors.DefaultSelector() as selector:
            channel = provider.open(selector)
            room = wait_for_room(channel, selector)
            sent = devices[:room]
            channel.send(prepared, sent)
            channel.close()
            outcome = channel.take()
        back = [*outcome.sent, *(key for key, _ in outcome.results)]
        assert sorted(back) == [device.key for device in sent]
        assert channel.in_flight == 0

    def send(self, devices: Sequence[Device]) -> Outcome:
        """Send the message to ``devices`` over a channel of its own."""
        provider = self.make_provider()
        with selectors.DefaultSelector() as selector:
            channel = provider.open(selector)
            try:
                prepared = provider.prepare(self.make_envelope())
                return drain(channel, selector, prepared, devices)
            finally:
                channel.close()
