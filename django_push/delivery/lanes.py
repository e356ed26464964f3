"""Lanes: one open channel per credential, and the runs that wait for it."""

from __future__ import annotations

import logging
import selectors
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from ..clock import clock
from ..conf import alias, push_settings
from ..exceptions import DjangoPushError, LockedSecret
from ..messages import Account
from ..models import Credential, PushBatch
from ..providers.base import Channel, Outcome, Provider, get_provider_class
from .breaker import PROBE_SIZE, Breaker
from .run import SHIFT, Run

__all__ = ["Lane", "Unusable", "lane_key", "open_lane", "preload"]

logger = logging.getLogger("django_push.delivery")

DOWN_FOR = 1.0
"""Seconds without a connection before the waiting batches are deferred: a reconnect is quicker."""

SMALL = 100
"""Devices of a batch that passes larger ones."""

STUCK = 1.0
"""Seconds without an answer or room after which a lane counts as stuck."""
STALL = 10.0
"""Seconds after which a provider that takes requests and answers none is left alone."""


class Unusable(DjangoPushError):
    """A credential that cannot be used: its batches wait until somebody mends it."""

    code = "unusable_credential"


LaneKey = tuple[Any, ...]


def lane_key(batch: PushBatch) -> LaneKey:
    """Batches with the same key leave through the same channel."""
    if push_settings.REDIRECT_TO:
        return (push_settings.REDIRECT_TO, batch.network, batch.device_type)
    credential = batch.credential
    if credential is None:
        return (batch.provider, batch.network, batch.device_type)
    return (credential.provider, credential.pk, credential.updated_at)


def open_lane(batch: PushBatch, selector: selectors.BaseSelector) -> Lane:
    """A lane for ``batch``'s credential.

    Raises :class:`Unusable`.
    """
    account = _account(batch)
    cls = get_provider_class(account.provider)
    try:
        provider = cls(account)
        return Lane(provider, provider.open(selector), batch.credential)
    except DjangoPushError as error:
        raise Unusable(error.message) from error


def _account(batch: PushBatch) -> Account:
    redirect = push_settings.REDIRECT_TO
    credential = batch.credential
    if redirect or (credential is None and not get_provider_class(batch.provider).needs_account):
        public = {"network": batch.network, "device_type": batch.device_type}
        return Account(provider=redirect or batch.provider, public=public)
    if credential is None:
        raise Unusable(_("The credential was deleted. Resume after adding one."))
    if not credential.is_active:
        raise Unusable(_("The credential is switched off. Switch it on and resume."))
    if credential.expires_at is not None and credential.expires_at <= clock(alias()).now():
        raise Unusable(_("The credential has expired. Upload a new one and resume."))
    try:
        return credential.account()
    except LockedSecret as error:
        raise Unusable(error.message) from error


def preload() -> None:
    """Import the providers in use before the first push needs them: it takes 0.3 s."""
    rows = Credential.objects.using(alias()).filter(is_active=True)
    for name in {*rows.values_list("provider", flat=True), push_settings.REDIRECT_TO}:
        if name in push_settings.PROVIDERS:
            get_provider_class(name)


class Lane:
    """One channel and the runs that still have devices to hand over to it."""

    def __init__(
        self, provider: Provider[Any], channel: Channel[Any], credential: Credential | None
    ) -> None:
        self.provider, self.channel, self.credential = provider, channel, credential
        self.waiting: deque[Run] = deque()
        self.breaker = Breaker(provider.about_device)
        self.used_at = time.monotonic()
        self._moved_at = self.used_at
        self.is_refused = False
        """The credential was refused: the next batch tries it afresh."""
        self._down_since: float | None = None

    def add(self, run: Run) -> None:
        """Queue a run; a small one goes before the broadcasts."""
        if run.batch.size <= SMALL:
            self.waiting.appendleft(run)
        else:
            self.waiting.append(run)

    def fill(self) -> int:
        """Hand over what the channel takes now; how many went."""
        total = held_back = 0
        while held_back < len(self.waiting) and (room := self._room()) > 0:
            run = self.waiting[0]
            if not run.is_waiting:
                self.waiting.popleft()  # stopped, or handed over whole
                continue
            sent = run.send(self.channel, room)
            total += sent
            if sent == 0:
                self.waiting.rotate(-1)  # held back by its speed limit: let the others go
                held_back += 1
        if total:
            self.used_at = self._moved_at = time.monotonic()
        return total

    def _room(self) -> int:
        """Asked before each hand-over: a connection may end while it is written to."""
        room = self.channel.room()
        if self.breaker.is_trying:
            room = min(room, PROBE_SIZE - self.channel.in_flight)
        return room

    def collect(self, runs: Mapping[int, Run]) -> int:
        """Take what came back; how many answers there were."""
        outcome = self.channel.take()
        sent = outcome.sent
        if logger.isEnabledFor(logging.DEBUG):
            _log(outcome, runs)
        if sent:
            _accept(sent, runs)
            self.breaker.alive()
        for key, result in outcome.results:
            run = runs[key >> SHIFT]
            if run.record(key, result) and run not in self.waiting:
                self.waiting.appendleft(run)
            self.breaker.note(result)
        if sent or outcome.results:
            self._moved_at = time.monotonic()
        return len(sent) + len(outcome.results)

    def watch(self) -> None:
        """Pause the waiting runs of a refused credential; notice when nothing can leave."""
        channel = self.channel
        refused = channel.refused
        if refused:
            for run in self.waiting:
                run.pause_reason, run.credential_refused = refused, True
            self.waiting.clear()
            self.is_refused = True
        if self.waiting:
            self._look_for_trouble()

    def _look_for_trouble(self) -> None:
        channel, now = self.channel, time.monotonic()
        if channel.in_flight and now - self._moved_at > STALL:
            self.breaker.trouble = f"no answer for {STALL:.0f} s"
        if not channel.error or channel.in_flight or channel.room():
            self._down_since = None
            return
        self._down_since = self._down_since or now
        if now - self._down_since >= DOWN_FOR:
            self.breaker.trouble = channel.error
            self.breaker.wish = max(channel.retry_at - now, self.breaker.wish)

    @property
    def is_stuck(self) -> bool:
        """Whether runs wait here and nothing moves; others must not wait for that."""
        still = time.monotonic() - self._moved_at > STUCK
        return still and self.backlog > 0 and not self.channel.room()

    @property
    def backlog(self) -> int:
        """Runs that could go now; those held back by a speed limit keep nobody waiting."""
        return sum(not run.is_held_back for run in self.waiting)

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.channel.in_flight


def _log(outcome: Outcome, runs: Mapping[int, Run]) -> None:
    """One line per answer, with as much of the token as helps to find it and not to use it."""
    answers = [(key, "sent", "") for key in outcome.sent]
    answers += [(key, result.status.value, result.reason) for key, result in outcome.results]
    for key, status, reason in answers:
        run = runs[key >> SHIFT]
        push, token = run.batch.history.public_id, run.address(key)[:8]
        logger.debug("%s %s %s… %s %s", push, run.batch.provider, token, status, reason)


def _accept(keys: list[int], runs: Mapping[int, Run]) -> None:
    """Credit ``keys`` to their runs: one or two of them, when pushes are large."""
    first, last = min(keys) >> SHIFT, max(keys) >> SHIFT
    if first == last:
        runs[first].accept(keys)
        return
    if last - first == 1:
        border = last << SHIFT
        runs[first].accept([key for key in keys if key < border])
        runs[last].accept([key for key in keys if key >= border])
        return
    by_slot: dict[int, list[int]] = {}
    for key in keys:
        by_slot.setdefault(key >> SHIFT, []).append(key)
    for slot, some in by_slot.items():
        runs[slot].accept(some)
