"""What a person may do to a push under way: stop it, pause it, let it go on."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F, Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from ..clock import clock
from ..conf import alias
from ..exceptions import NotAllowed
from ..models import Credential, Notification, PushBatch, PushHistory, State
from .finishing import finish
from .partition import Traits, choose, sorted_credentials
from .rows import batches, histories, installations, not_before

__all__ = ["cancel", "pause", "resume"]


def cancel(history: PushHistory, by: str = "") -> None:
    """Stop a push for good; devices without an outcome are left out as "cancelled".

    A running worker stops within 50 ms and its in-flight window. Raises
    :class:`~django_push.exceptions.NotAllowed` when the push is over.
    """
    now = clock(alias()).now()
    with transaction.atomic(using=alias()):
        unsent = _under_way(history, State.SCHEDULED).update(detail="") or _held(history).count()
        changed = _under_way(history, State.SCHEDULED, State.SENDING, State.PAUSED).update(
            state=State.CANCELLED,
            detail=f"Stopped by {by}." if by else "Stopped.",
            planned_at=now,
            plan_after=None,
            plan_owner="",
        )
        _require(changed, history, _("stopped"))
        # A worker claims what is left and marks it, which costs no sending.
        waiting = batches().filter(history=history, settled_at=None, lease_owner="")
        waiting.update(claim_at=F("turn_at"), not_before=now, pause_reason="", rate=None)
        if unsent:
            _back_to_draft(history)
    finish(history.pk)
    _refresh(history)


def pause(history: PushHistory, by: str = "") -> None:
    """Hold a push until :func:`resume`; a scheduled one does not begin before that.

    Raises :class:`~django_push.exceptions.NotAllowed` when it is not being sent.
    """
    with transaction.atomic(using=alias()):
        said = {"state": State.PAUSED, "detail": f"Paused by {by}." if by else "Paused."}
        changed = _under_way(history, State.SCHEDULED).update(**said, plan_after=None)
        changed = changed or _under_way(history, State.SENDING).update(**said)
        _require(changed, history, _("paused"))
        batches().filter(history=history, settled_at=None, lease_owner="").update(claim_at=None)
    _refresh(history)


def resume(history: PushHistory, by: str = "") -> None:
    """Let a paused push, or its paused credentials, go on.

    Raises :class:`~django_push.exceptions.NotAllowed` when nothing of it is paused.
    """
    now = clock(alias()).now()
    with transaction.atomic(using=alias()):
        again = now if "local" in history.content else history.due_at
        changed = _held(history).update(state=State.SCHEDULED, detail="", plan_after=again)
        changed = changed or _under_way(history, State.PAUSED).update(
            state=State.SENDING, detail=""
        )
        going = _under_way(history, State.SENDING, State.FAILED).exists()
        _require(changed or going, history, _("resumed"))
        held = batches().filter(history=history, settled_at=None, lease_owner="", claim_at=None)
        _rehome(history, held)
        if held.exclude(pause_reason="").exists():
            _acquit(history, held)
            _try_afresh(held)
        freed = _free(held, now)
        _require(changed or freed, history, _("resumed"))
    _refresh(history)


def _try_afresh(held: QuerySet[PushBatch]) -> None:
    """Whoever resumes says that the accounts are good again: refusals that are still on their way
    count for them as before a change, and pause nothing (`mending`)."""
    accused = held.exclude(pause_reason="").exclude(credential=None)
    pks = list(accused.values_list("credential", flat=True).distinct())
    Credential.objects.using(alias()).filter(pk__in=pks).update(updated_at=timezone.now())


def _free(held: QuerySet[PushBatch], now: datetime) -> int:
    """Queue batches again, as if the push began now: a broadcast that was held for an hour must
    not stand before everybody who came meanwhile."""
    ripe = held.exclude(due_at__gt=now).exclude(wakes_at__gt=now)
    first = ripe.aggregate(first=Min("turn_at"))["first"]
    if first is not None and first < now:
        ripe.update(turn_at=F("turn_at") + (now - first))
    return held.update(
        claim_at=F("turn_at"), not_before=not_before(now), pause_reason="", crashes=0
    )


def _acquit(history: PushHistory, held: QuerySet[PushBatch]) -> None:
    """Somebody mended the set-up: what looked wrong before counts no more, and devices that were
    being tried in the other environment begin again where they belong."""
    batches().filter(history=history).exclude(suspects=0).update(suspects=0)
    held.filter(late__gt=0).update(late=0, probe=False)


def _rehome(history: PushHistory, held: QuerySet[PushBatch]) -> None:
    """Batches whose credential was deleted or is of no use go to one that serves them now.

    Devices of such a batch that another credential serves move on when it is delivered.
    """
    candidates = sorted_credentials(history.application)
    usable = [candidate.pk for candidate in candidates]
    without = held.filter(Q(credential=None) | ~Q(credential__in=usable))
    for batch in without.exclude(provider="").only("first_id", "last_id", "network", "device_type"):
        devices = installations().filter(
            pk__range=(batch.first_id, batch.last_id),
            application=history.application_id,
            provider=batch.network,
            device_type=batch.device_type,
        )
        kinds = devices.values_list(*Traits._fields).distinct()
        chosen = next(filter(None, (choose(candidates, Traits(*kind)) for kind in kinds)), None)
        if chosen is not None:
            batches().filter(pk=batch.pk).update(credential=chosen.pk, provider=chosen.provider)


def _under_way(history: PushHistory, *states: State) -> QuerySet[PushHistory]:
    return histories().filter(pk=history.pk, state__in=states, finished_at=None)


def _held(history: PushHistory) -> QuerySet[PushHistory]:
    """The push, if it was paused before its moment came."""
    return _under_way(history, State.PAUSED).filter(plan_after=None, planned_at=None)


def _refresh(history: PushHistory) -> None:
    try:
        history.refresh_from_db()
    except PushHistory.DoesNotExist:
        raise NotAllowed(_("This push is no more: it was deleted with old history.")) from None


def _require(changed: int, history: PushHistory, verb: str) -> None:
    if not changed:
        _refresh(history)
        state = State(history.state).label
        text = _("This push is %(state)s: it cannot be %(verb)s any more.")
        raise NotAllowed(text % {"state": state, "verb": verb})


def _back_to_draft(history: PushHistory) -> None:
    """A scheduled message whose only sending was stopped before it began is a draft again."""
    Notification.objects.using(alias()).filter(
        pk=history.notification_id, status=Notification.Status.SCHEDULED
    ).update(status=Notification.Status.DRAFT)
