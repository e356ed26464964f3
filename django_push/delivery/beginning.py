"""Taking a plan: which push is due, and whether it may begin."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from ..audience import Audience
from ..clock import clock
from ..conf import alias
from ..models import Notification, PushHistory, State
from .finishing import finish
from .local_time import push_zones, waits_until
from .planning import Plan, audience_rows, lease
from .rows import histories
from .statements import Param, Statement

__all__ = ["claim_plan"]


def claim_plan(owner: str) -> Plan | None:
    """Take the plan that is due longest and that no live worker holds."""
    now = clock(alias()).now()
    for (pk,) in _due_plans(alias()).fetch(now=now):
        taken = (
            _free_plans(histories(), now)
            .filter(pk=pk)
            .update(
                plan_owner=owner,
                plan_until=now + lease(),
                # Who takes a plan over keeps its moment: "of this user since" is compared with it.
                plan_started_at=Coalesce("plan_started_at", Value(now)),
            )
        )
        if taken:
            history = histories().select_related("application").get(pk=pk)
            if _is_missed(history, now):
                continue
            if history.state == State.SCHEDULED and _waits_for_a_zone(history, now):
                continue
            if _may_begin(history):
                return Plan(history, owner)
    return None


def _free_plans(rows: QuerySet[PushHistory], now: Any) -> QuerySet[PushHistory]:
    free = Q(plan_until=None) | Q(plan_until__lt=now)
    return rows.filter(free, plan_after__lte=now, planned_at=None)


@cache
def _due_plans(using: str) -> Statement:
    due = _free_plans(PushHistory.objects.using(using), Param("now", DateTimeField()))
    return Statement(due.order_by("plan_after", "pk").values_list("pk")[:4])


def _is_missed(history: PushHistory, now: datetime) -> bool:
    """End one of a series that nobody began in time; the scheduler has made the next."""
    late_after = history.content.get("late_after")
    if not late_after or history.plan_cursor or now.timestamp() < late_after:
        return False
    histories().filter(pk=history.pk, plan_owner=history.plan_owner).update(
        state=State.MISSED,
        detail=_("No worker was running when it was due."),
        planned_at=now,
        plan_after=None,
        plan_owner="",
    )
    finish(history.pk)
    return True


def _waits_for_a_zone(history: PushHistory, now: datetime) -> bool:
    """Put a push at the devices' own clocks back until the clocks of some of them show its time."""
    zones = push_zones(history.content)
    audience = Audience.from_content(history.content)
    again = zones and waits_until(zones, audience_rows(audience, history.application), now)
    if again:
        mine = histories().filter(pk=history.pk, plan_owner=history.plan_owner)
        free = {"plan_owner": "", "plan_until": None, "plan_started_at": None}
        # Paused or stopped meanwhile: that keeps it from being planned at all.
        if not mine.filter(state=State.SCHEDULED).update(**free, plan_after=again):
            mine.update(**free)
    return bool(again)


def _may_begin(history: PushHistory) -> bool:
    """Its moment has come: it is being sent, and its message can not be taken back to edit.

    ``False`` when somebody has just paused or stopped it: a push that is held before its moment
    is not planned, or its resume would schedule it again.
    """
    if history.state == State.SCHEDULED:
        with transaction.atomic(using=alias()):
            begun = _mark_sending(history)
    else:
        begun = history.plan_after is not None
    if not begun:
        mine = histories().filter(pk=history.pk, plan_owner=history.plan_owner)
        mine.update(plan_owner="", plan_until=None)
    return begun


def _mark_sending(history: PushHistory) -> bool:
    if not histories().filter(pk=history.pk, state=State.SCHEDULED).update(state=State.SENDING):
        return False
    history.state = State.SENDING
    Notification.objects.using(alias()).filter(
        pk=history.notification_id, status=Notification.Status.SCHEDULED
    ).update(status=Notification.Status.SENT)
    return True
