"""Small pushes: a few listed devices, planned in submit's own transaction.

The everyday load. What a broadcast pays once, such a push pays for one device, so its devices and
credentials are read once, and its row is written once, with the plan in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import CharField, IntegerField, QuerySet

from ..audience import MAX_ITEMS, Audience, compile_audience
from ..clock import clock
from ..conf import alias, push_settings
from ..models import Application, Installation, PushBatch, PushHistory, State
from .partition import Candidate, Part, Traits, part_for
from .planning import audience_rows, badge_ids, batch_size, count_badges, new_batch
from .rows import hold
from .statements import Param, Statement, insert

__all__ = [
    "Listed",
    "SmallPlan",
    "listed_devices",
    "listed_together",
    "may_be_small",
    "save_planned",
]


SHORT = 8
"""Users and devices in an audience that is read by a statement of its own."""
COLUMNS = ("pk", "public_id", "is_active", "device_type", *Traits._fields)


class Listed(NamedTuple):
    """A device that an audience names, or whose user it names."""

    pk: int
    public_id: str
    is_active: bool
    device_type: str
    traits: Traits


def listed_devices(application: Application, audience: Audience) -> list[Listed] | None:
    """The devices of an audience that lists users or installations one by one.

    ``None`` when it lists none, or has more than ``SMALL_PUSH`` devices: then a worker plans it.
    """
    if not audience.is_listed or len(audience.installations) > push_settings.SMALL_PUSH:
        return None
    most: int = push_settings.SMALL_PUSH
    if _is_short(audience):
        found = _read_short(application, audience, most + 1)
    else:
        found = _read(audience_rows(audience, application).order_by("pk")[: most + 1])
    return found if len(found) <= most else None


def _is_short(audience: Audience) -> bool:
    """Whether it is a handful of users or devices, and nothing else: as in most pushes."""
    listed = len(audience.users) + len(audience.installations)
    plain = Audience(users=audience.users, installations=audience.installations)
    return 0 < listed <= SHORT and audience == plain


def _read_short(application: Application, audience: Audience, limit: int) -> list[Listed]:
    statement = _short(
        alias(),
        len(audience.users),
        len(audience.installations),
        application.trust_client_user_ids,
        limit,
    )
    listed = (*audience.users, *audience.installations)
    values = {f"item{number}": item for number, item in enumerate(listed)}
    return _listed(statement.fetch(application=application.pk, **values))


@lru_cache(maxsize=64)
def _short(using: str, users: int, devices: int, trusts: bool, limit: int) -> Statement:
    """The devices of an audience of so many users and devices, as the audience itself says."""
    items: Any = [Param(f"item{number}", CharField()) for number in range(users + devices)]
    application: Any = Param("application", IntegerField())
    rows = compile_audience(
        Audience(users=tuple(items[:users]), installations=tuple(items[users:])),
        Installation.objects.using(using),
        application_id=application,
        trust_claimed=trusts,
    )
    return Statement(rows.order_by().values_list(*COLUMNS)[:limit])


def listed_together(
    application: Application, audiences: Sequence[Audience]
) -> list[list[Listed] | None]:
    """:func:`listed_devices` of each audience; those of plain lists of devices by one statement."""
    plain = [audience for audience in audiences if _is_plain(audience)]
    ids = {public_id for audience in plain for public_id in audience.installations}
    if len(ids) > MAX_ITEMS or len(plain) < 2:
        return [listed_devices(application, audience) for audience in audiences]
    union = Audience(installations=tuple(sorted(ids)))
    known = {row.public_id: row for row in _read(audience_rows(union, application))}
    return [
        [known[public_id] for public_id in audience.installations if public_id in known]
        if _is_plain(audience)
        else listed_devices(application, audience)
        for audience in audiences
    ]


def _is_plain(audience: Audience) -> bool:
    """Whether it names a few devices, and nothing else narrows it."""
    few = 0 < len(audience.installations) <= push_settings.SMALL_PUSH
    return few and audience == Audience(installations=audience.installations)


def _read(rows: QuerySet[Installation]) -> list[Listed]:
    return _listed(rows.values_list(*COLUMNS))


def _listed(rows: Iterable[tuple[Any, ...]]) -> list[Listed]:
    return [
        Listed(pk, public_id, is_active, device_type, Traits(*traits))
        for pk, public_id, is_active, device_type, *traits in rows
    ]


class SmallPlan:
    """The batches of a small push.

    The devices may have been read a moment before the push is written: deliver looks again, and
    leaves out who is switched off, gone or somebody else's by then.
    """

    def __init__(
        self, history: PushHistory, devices: Sequence[Listed], candidates: Sequence[Candidate]
    ) -> None:
        self.history = history
        self._grouped: dict[Part, list[int]] = {}
        for device in sorted(devices):
            if device.is_active:
                part = part_for(candidates, device.device_type, device.traits)
                self._grouped.setdefault(part, []).append(device.pk)

    def batches(self) -> list[PushBatch]:
        """Unsaved, and noted in the unsaved push; the rule of the parts is the one of planning."""
        now, history = clock(alias()).now(), self.history
        size = batch_size(history)
        pieces = [
            (part, ids[start : start + size])
            for part, ids in self._grouped.items()
            for start in range(0, len(ids), size)
        ]
        planned = [new_batch(history, *piece, seq, now) for seq, piece in enumerate(pieces)]
        history.plan_after, history.planned_at, history.plan_started_at = None, now, now
        history.open_batches = sum(batch.settled_at is None for batch in planned)
        return planned


def save_planned(pushes: Sequence[PushHistory], plans: Sequence[SmallPlan]) -> None:
    """Write new pushes, with their batches where they are planned already."""
    planned = [batch for plan in plans for batch in plan.batches()]
    counted = [batch for batch in planned if batch.settled_at is None]
    # Before the rows that name a credential: on MySQL each locks it for reading, and who had that
    # and waited for devices would wait in a ring with a worker that writes to the credential.
    hold(pk for batch in counted for pk in badge_ids(batch))
    insert(pushes)
    for batch in planned:
        batch.history = batch.history  # whose key is known only now
    insert(planned)
    for batch in counted:
        count_badges(batch.history, badge_ids(batch))


def may_be_small(history: PushHistory) -> bool:
    """Whether it is sent now: the audience of a scheduled push is that of its moment."""
    return history.state == State.SENDING
