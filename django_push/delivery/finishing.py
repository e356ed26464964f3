"""The end of a push: its ledger added up, once.

Small pushes end many at a time, so everything here is done for all of them together: what a push
costs on its own (ten statements) would be most of the price of a push to one device.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.db.models import CharField, Count, Q, Sum
from django.utils import timezone

from ..clock import clock
from ..conf import alias
from ..models import Credential, PushBatch, PushHistory, State
from ..signals import push_finished
from .rows import batches, failures, histories
from .statements import Param, Statement, Update, among_keys, keys, params, shape

__all__ = ["fail_push", "finish"]

SUMS = ("devices", "successes", "failures", "skipped", "invalid")


def finish(*pushes: int) -> set[int]:
    """End those of ``pushes`` that are planned and whose batches are all settled.

    Returns the primary keys of those that this very call ended. What is added up stands still by
    then, so each push is written once, and a push that another worker ends or somebody stops
    meanwhile is not written at all.
    """
    if not pushes:
        return set()
    room = shape(len(pushes))
    found = [Ready(*row) for row in _ready(alias(), room).fetch(**keys(pushes, room))]
    if not found:
        return set()
    # A push may be ended by two workers at once: the name says whose it is, as in a claim.
    name = f"end/{secrets.token_hex(8)}"
    number, credentials = _end(found, name)
    _accepted(credentials)
    ended = {history.pk for history in found}
    if number == len(found):
        return _tell(ended)
    mine = set(histories().filter(pk__in=ended, plan_owner=name).values_list("pk", flat=True))
    return _tell(mine) | finish(*(ended - mine))


class Ready(NamedTuple):
    """A push that may end."""

    pk: int
    state: str
    started_at: datetime | None


@lru_cache(maxsize=128)
def _ready(using: str, room: int) -> Statement:
    rows = among_keys(PushHistory.objects.using(using), room)
    rows = rows.filter(planned_at__isnull=False, open_batches=0, finished_at=None)
    return Statement(rows.values_list(*Ready._fields))


def _tell(ended: set[int]) -> set[int]:
    if ended and push_finished.has_listeners(PushHistory):
        for history in histories().filter(pk__in=ended).order_by("pk"):
            push_finished.send_robust(sender=PushHistory, history=history)
    return ended


def fail_push(history: PushHistory, detail: str) -> None:
    """End a push that cannot be planned; what was planned of it is still sent."""
    now = clock(alias()).now()
    unplanned = histories().filter(pk=history.pk, planned_at=None)
    unplanned.update(
        state=State.FAILED, detail=detail, planned_at=now, plan_after=None, plan_owner=""
    )
    finish(history.pk)


def _end(found: Sequence[Ready], name: str) -> tuple[int, set[int]]:
    """Add up the ledgers and write the sums; pushes with the same sums share a statement.

    Returns how many were written, and the credentials that a provider accepted something from.
    """
    now = clock(alias()).now()
    sums = _Sums([history.pk for history in found])
    alike: dict[bytes, tuple[str, dict[str, Any], list[int]]] = {}
    for history in found:
        changes = sums.of(history, now)
        key = orjson.dumps([history.state, changes], option=orjson.OPT_SORT_KEYS)
        alike.setdefault(key, (history.state, changes, []))[2].append(history.pk)
    number = 0
    for state, changes, pks in alike.values():
        room = shape(len(pks))
        ending = _ending(alias(), tuple(sorted(changes)), room)
        was = {"was": state, "finished_at": now, "plan_owner": name}
        number += ending.run(**was, **changes, **keys(pks, room))
    return number, sums.credentials


@lru_cache(maxsize=128)
def _ending(using: str, columns: tuple[str, ...], room: int) -> Update:
    written = ("finished_at", "plan_owner", *columns)
    rows = among_keys(PushHistory.objects.using(using), room)
    same = rows.filter(state=Param("was", CharField()), open_batches=0, finished_at=None)
    return Update(same, **params(PushHistory, written))


class _Sums:
    """What the ledgers of some pushes add up to."""

    def __init__(self, pushes: Sequence[int]) -> None:
        self.totals = {push: dict.fromkeys(SUMS, 0) for push in pushes}
        self.per_type: dict[int, dict[str, dict[str, int]]] = {push: {} for push in pushes}
        self.credentials: set[int] = set()
        """Those that a provider accepted something from."""
        room = shape(len(pushes))
        for part in _summed(alias(), room).fetch(**keys(pushes, room)):
            self._add(dict(zip(_PART, part, strict=True)))
        self.skipped = self._skipped(batches().filter(history__in=pushes).exclude(skipped=0))
        self.reasons = self._reasons()

    def of(self, history: Ready, now: datetime) -> dict[str, Any]:
        """The columns of one push at its end."""
        total = self.totals[history.pk]
        changes: dict[str, Any] = {
            "devices": total["devices"],
            "successes": total["successes"],
            "failures": total["failures"],
            "invalid_tokens": total["invalid"],
            "skipped": self.skipped.get(history.pk, {}),
            "per_type": self.per_type[history.pk],
            "reasons": self.reasons.get(history.pk, {}),
            "state": history.state,
        }
        if total["successes"]:
            changes["started_at"] = history.started_at or now
        if history.state in {State.SENDING, State.PAUSED}:  # paused with its last answer on its way
            changes["state"] = State.DONE if total["devices"] else State.NOBODY
        return changes

    def _add(self, part: dict[str, Any]) -> None:
        push = part["history_id"]
        for name in SUMS:
            self.totals[push][name] += part[f"sum_{name}"] or 0
        platform = self.per_type[push].setdefault(
            part["device_type"], {"successes": 0, "failures": 0}
        )
        for name in platform:
            platform[name] += part[f"sum_{name}"] or 0
        if part["sum_successes"] and part["credential_id"]:
            self.credentials.add(part["credential_id"])

    def _skipped(self, rows: Any) -> dict[int, dict[str, int]]:
        """Devices left out, by push and reason; asked only when there are some."""
        found: dict[int, dict[str, int]] = {}
        if any(total["skipped"] for total in self.totals.values()):
            for push, reasons in rows.values_list("history_id", "skipped_reasons"):
                known = found.setdefault(push, {})
                for reason, number in reasons.items():
                    known[reason] = known.get(reason, 0) + number
        return found

    def _reasons(self) -> dict[int, dict[str, int]]:
        """Devices not reached, by push and reason; asked only when there are some."""
        failed = [push for push, total in self.totals.items() if total["failures"]]
        found: dict[int, dict[str, int]] = {}
        if failed:
            rows = failures().filter(history__in=failed).values_list("history_id", "reason")
            for push, reason, number in rows.annotate(number=Count("pk")).order_by():
                found.setdefault(push, {})[reason] = number
        return found


# An aggregate may not have the name of a column that is summed.
_PART = ("history_id", "device_type", "credential_id", *(f"sum_{name}" for name in SUMS))


@lru_cache(maxsize=128)
def _summed(using: str, room: int) -> Statement:
    pushes = among_keys(PushHistory.objects.using(using), room)
    rows = PushBatch.objects.using(using).filter(history__in=pushes)
    sums = {f"sum_{name}": Sum(name) for name in SUMS}
    parts = rows.values(*_PART[:3]).annotate(**sums)
    return Statement(parts.order_by().values_list(*_PART))


def _accepted(credentials: Iterable[int]) -> None:
    """A credential that a provider took pushes from works: say so, at most hourly."""
    if not credentials:
        return
    now = timezone.now()
    news = Q(checked_at=None) | Q(checked_at__lt=now - timedelta(hours=1))
    accepted = Credential.Check.ACCEPTED
    rows = Credential.objects.using(alias()).filter(pk__in=credentials)
    rows.filter(news | ~Q(check_result=accepted)).update(
        check_result=accepted, check_detail="", checked_at=now
    )
