"""The page of one device: how it stands, what became of its pushes, why another did not come."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..models import Credential, Installation, PushHistory
from ..naming import moment, provider_name
from ..traces import (
    Page,
    Trace,
    Words,
    absence_words,
    pushes_to,
    standing_of,
    standing_words,
    trace_of,
    trace_words,
    why_absent,
)
from .trial import may_send
from .visibility import row_id
from .words import pill

__all__ = ["DevicePage"]

CHOICES = 30
"""Pushes that are offered for a check; any other by its id."""


@dataclass(frozen=True, slots=True)
class Row:
    """One push at the device."""

    push: str
    link: str
    when: str
    pill: SafeString
    words: Words
    vendor_word: str
    detail: str
    through: str
    through_link: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Why one push did, or did not, come to the device."""

    push: str
    when: str
    pill: SafeString
    words: Words


class DevicePage:
    """What the template shows; ``request`` may ask for older pushes and for a check of one."""

    def __init__(self, request: HttpRequest, site: Any, device: Installation) -> None:
        self.request, self.site, self.device = request, site, device

    @cached_property
    def standing(self) -> Words:
        return standing_words(standing_of(self.device))

    @property
    def standing_pill(self) -> SafeString:
        return pill(self.standing.tone, self.standing.label)

    @cached_property
    def sees_pushes(self) -> bool:
        return self._sees(PushHistory)

    @property
    def may_test(self) -> bool:
        return self.device.is_active and may_send(self.request, self.device.application_id)

    @property
    def test_link(self) -> str:
        page = reverse("admin:django_push_installation_test")
        return f"{page}?device={self.device.public_id}"

    @cached_property
    def page(self) -> Page:
        return pushes_to(self.device, row_id(self.request.GET.get("before", "")))

    @property
    def is_first(self) -> bool:
        return "before" not in self.request.GET

    @cached_property
    def rows(self) -> list[Row]:
        return [self._row(trace) for trace in self.page.traces]

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """(push id, name and time, whether it is the chosen one)."""
        rows = self._pushes().order_by("-pk").only("public_id", "title", "due_at")[:CHOICES]
        chosen = self.request.GET.get("push", "")
        return [
            (str(row.public_id), f"{row} · {moment(row.due_at)}", str(row.public_id) == chosen)
            for row in rows
        ]

    @property
    def asked(self) -> str:
        """What stands in the field for the id of a push."""
        return self.request.GET.get("push_id", "").strip()

    @cached_property
    def checked(self) -> Checked | str | None:
        """The answer to a check, a sentence when there is no such push, ``None`` without one."""
        asked = self.asked or self.request.GET.get("push", "")
        if not asked:
            return None
        history = self._push(asked)
        if history is None:
            return _("This application has no push with that id.")
        trace = trace_of(self.device, history)
        words = trace_words(trace) if trace else absence_words(why_absent(self.device, history))
        shown = pill(words.tone, words.label)
        return Checked(str(history), moment(history.due_at), shown, words)

    @property
    def unknown(self) -> str:
        """The sentence of a check that found no push."""
        return self.checked if isinstance(self.checked, str) else ""

    def _sees(self, model: Any) -> bool:
        return bool(self.site._registry[model].has_view_permission(self.request))

    def _pushes(self) -> Any:
        return PushHistory.objects.filter(application=self.device.application_id)

    def _push(self, asked: str) -> PushHistory | None:
        try:
            public_id = uuid.UUID(asked)
        except ValueError:
            return None
        found: PushHistory | None = self._pushes().filter(public_id=public_id).first()
        return found

    def _row(self, trace: Trace) -> Row:
        words = trace_words(trace)
        credential = trace.credential
        name = str(credential or (provider_name(trace.provider) if trace.provider else ""))
        sees_credential = credential is not None and self._sees(Credential)
        return Row(
            push=str(trace.history),
            link=reverse("admin:django_push_pushhistory_change", args=[trace.history.pk]),
            when=moment(trace.at or trace.until or trace.history.due_at),
            pill=pill(words.tone, words.label),
            words=words,
            vendor_word=trace.reason if trace.status else "",
            detail=trace.detail if trace.status else "",
            through=name,
            through_link=_page_of(credential) if sees_credential else "",
        )


def _page_of(credential: Credential | None) -> str:
    assert credential is not None
    return reverse("admin:django_push_credential_change", args=[credential.pk])
