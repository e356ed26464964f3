"""The breaker: a credential through which nothing gets is left alone, but for a try now and then.

Its state is in the credential's row, for all workers and the console: since when, why, and when
the next try is. Its batches wait in the queue until then, moved as if time stood still for them,
so that they stand in nobody's way before or after. When the moment has come one worker takes the
try by a conditional UPDATE and hands over a few devices of one batch; the first answer that shows
the provider at work brings the rest back.

What each worker keeps in memory is only how its own answers look (:class:`Breaker`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Container
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from ..clock import clock
from ..conf import alias, push_settings
from ..messages import Result, Status
from ..models import Credential, PushBatch
from .rows import batches

__all__ = ["PROBE_SIZE", "Breaker", "is_closed_until", "recover", "take_try", "trip"]

STRIKES = 10
"""Answers in a row that say "nothing works here" before no more are asked for."""
PROBE_SIZE = 10
"""Devices under way while a provider is tried again."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries: as long as it has lasted so far, within these."""
LONGEST_WISH = 86_400.0
"""Seconds that we wait at the most when a provider asks for more."""
LOOKS_ALIVE = 5.0
"""Seconds after an answer during which this worker does not believe that there are none."""


class Breaker:
    """What one worker has heard through one lane."""

    def __init__(self, about_device: Container[str] = ()) -> None:
        self.trouble = ""
        """Why nothing gets through; empty while it is not certain."""
        self.wish = 0.0
        """Seconds that the provider asks to be left alone."""
        self.is_trying = False
        """Nothing got through lately, and this worker tries whether it does now."""
        self.has_recovered = False
        """A try showed the provider at work; not yet told."""
        self._about_device = about_device
        self._strikes = 0
        self._made_at = time.monotonic()
        self._alive_at = float("-inf")

    def alive(self) -> None:
        """The provider does its work, whatever it said."""
        self._strikes, self.wish, self._alive_at = 0, 0.0, time.monotonic()
        if self.is_trying:
            self.is_trying, self.has_recovered = False, True

    @property
    def was_alive(self) -> bool:
        """Whether it was just seen at work."""
        return time.monotonic() - self._alive_at < LOOKS_ALIVE

    def note(self, result: Result) -> None:
        """An answer other than "accepted"."""
        if result.status is Status.UNKNOWN:
            # A cut connection loses many at once, and is no sign; silence is one.
            heard_at = max(self._alive_at, self._made_at)
            silent = time.monotonic() - heard_at > push_settings.REQUEST_TIMEOUT / 2
            if not (silent or self.is_trying):
                return
        elif result.status is not Status.DEFERRED or result.reason in self._about_device:
            self.alive()
            return
        elif result.retry_after == 0:
            return
        self._strikes += 1
        self.wish = max(self.wish, min(result.retry_after or 0.0, LONGEST_WISH))
        if self._strikes >= (1 if self.is_trying else STRIKES):
            self.trouble = f"{result.reason} {result.detail}".strip()

    def tripped(self) -> None:
        """The trouble was told to all; count anew."""
        self.trouble, self.wish, self._strikes, self.is_trying = "", 0.0, 0, False
        self._alive_at = float("-inf")


def is_closed_until(credential: Credential) -> datetime | None:
    """When the next try is, while nothing gets through and somebody has that in hand."""
    moment = credential.next_try_at
    return moment if moment is not None and moment > clock(alias()).now() else None


def trip(credential: Credential, reason: str, wish: float, *, was_trying: bool) -> datetime:
    """Nothing gets through: say so, and hold the credential's batches; when the next try is."""
    row = _rows(credential)
    now = clock(alias()).now()
    since, next_try = row.values_list("down_since", "next_try_at").first() or (None, None)
    if next_try is not None and next_try > now and not was_trying:
        return next_try  # another worker noticed it a moment before
    lasted = (now - (since or now)).total_seconds()
    pause = min(max(lasted, FIRST_PAUSE), LONGEST_PAUSE)
    wait = max(wish, pause * random.uniform(0.75, 1.25))  # noqa: S311  (jitter)
    due = now + timedelta(seconds=wait)
    row.update(down_since=Coalesce("down_since", now), next_try_at=due, down_reason=reason[:2000])
    _move(_waiting(credential).filter(not_before__lte=now), now, due)
    return due


def take_try(credential: Credential) -> bool:
    """Whether this worker is the one to try again; the other batches wait for what it learns."""
    now = clock(alias()).now()
    until = now + timedelta(seconds=push_settings.REQUEST_TIMEOUT + 5)
    won = _rows(credential).filter(next_try_at__lte=now).update(next_try_at=until)
    if won:
        _move(_waiting(credential).filter(not_before__lte=now), now, until)
    return bool(won)


def recover(credential: Credential) -> None:
    """It gets through again: forget the trouble, and bring back what waited for the next try."""
    now = clock(alias()).now()
    row = _rows(credential).filter(down_since__isnull=False)
    due = row.values_list("next_try_at", flat=True).first()
    if not row.update(down_since=None, next_try_at=None, down_reason="") or due is None:
        return
    if due > now:
        _move(_waiting(credential).filter(not_before=due), due, now)


def _rows(credential: Credential) -> QuerySet[Credential]:
    return Credential.objects.using(alias()).filter(pk=credential.pk)


def _waiting(credential: Credential) -> QuerySet[PushBatch]:
    return batches().filter(
        credential=credential, claim_at__isnull=False, settled_at=None, lease_owner=""
    )


def _move(waiting: QuerySet[PushBatch], now: datetime, due: datetime) -> None:
    """Their clock stands still, or is turned back: they keep their order and their distances."""
    shift = due - now
    waiting.update(not_before=due, turn_at=F("turn_at") + shift, claim_at=F("claim_at") + shift)
