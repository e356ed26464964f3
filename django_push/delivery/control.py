"""What a person may do to a push under way: stop it, pause it, let it go on."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from ..clock import clock
from ..conf import alias
from ..exceptions import NotAllowed
from ..models import Notification, PushBatch, PushHistory, State
from .partition import Traits, choose, sorted_credentials
from .rows import batches, histories, installations
from .settling import finish

__all__ = ["cancel", "pause", "resume"]


def cancel(history: PushHistory, by: str = "") -> None:
    """Stop a push for good; devices without an outcome are left out as "cancelled".

    A running worker stops within 50 ms and its in-flight window. Raises
    :class:`~django_push.exceptions.NotAllowed` when the push is over.
    """
    now = clock(alias()).now()
    with transaction.atomic(using=alias()):
        unsent = _under_way(history, State.SCHEDULED).update(detail="")
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
    history.refresh_from_db()


def pause(history: PushHistory, by: str = "") -> None:
    """Hold a push until :func:`resume`.

    Raises :class:`~django_push.exceptions.NotAllowed` when it is not being sent.
    """
    with transaction.atomic(using=alias()):
        changed = _under_way(history, State.SENDING).update(
            state=State.PAUSED, detail=f"Paused by {by}." if by else "Paused."
        )
        _require(changed, history, _("paused"))
        batches().filter(history=history, settled_at=None, lease_owner="").update(claim_at=None)
    history.refresh_from_db()


def resume(history: PushHistory, by: str = "") -> None:
    """Let a paused push, or its paused credentials, go on.

    Raises :class:`~django_push.exceptions.NotAllowed` when nothing of it is paused.
    """
    now = clock(alias()).now()
    with transaction.atomic(using=alias()):
        changed = _under_way(history, State.PAUSED).update(state=State.SENDING, detail="")
        held = batches().filter(history=history, settled_at=None, lease_owner="", claim_at=None)
        _rehome(history, held)
        freed = held.update(claim_at=F("turn_at"), not_before=now, pause_reason="", crashes=0)
        _require(changed or freed, history, _("resumed"))
    history.refresh_from_db()


def _rehome(history: PushHistory, held: QuerySet[PushBatch]) -> None:
    """Batches whose credential was deleted or switched off go to the one that serves them now."""
    without = held.filter(Q(credential=None) | Q(credential__is_active=False))
    candidates = sorted_credentials(history.application)
    for batch in without.only("first_id", "last_id", "network", "device_type"):
        devices = installations().filter(
            pk__range=(batch.first_id, batch.last_id),
            application=history.application_id,
            provider=batch.network,
            device_type=batch.device_type,
        )
        traits = devices.values_list(*Traits._fields).first()
        chosen = choose(candidates, Traits(*traits)) if traits else None
        if chosen is not None:
            batches().filter(pk=batch.pk).update(credential=chosen.pk, provider=chosen.provider)


def _under_way(history: PushHistory, *states: State) -> QuerySet[PushHistory]:
    return histories().filter(pk=history.pk, state__in=states, finished_at=None)


def _require(changed: int, history: PushHistory, verb: str) -> None:
    if not changed:
        state = State(histories().values_list("state", flat=True).get(pk=history.pk)).label
        text = _("This push is %(state)s: it cannot be %(verb)s any more.")
        raise NotAllowed(text % {"state": state, "verb": verb})


def _back_to_draft(history: PushHistory) -> None:
    """A scheduled message whose only sending was stopped before it began is a draft again."""
    Notification.objects.using(alias()).filter(
        pk=history.notification_id, status=Notification.Status.SCHEDULED
    ).update(status=Notification.Status.DRAFT)
