"""What the report of a push shows: figures, reasons, credentials, and what was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..audience import Audience
from ..delivery import Progress, ReasonCount, failure_reasons, progress
from ..models import Notification, PushHistory, State
from ..reasons import Explanation, explain, explain_pause, skipped_word
from .bars import Bar, Segment
from .chart import Chart
from .schedule_words import schedule_rows, starts, waits_for
from .words import (
    duration,
    moment,
    number,
    of_devices,
    out_of_reach,
    pill,
    provider_name,
    state_pill,
)

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One large number with its name and a word about it."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Why:
    """Devices not reached for one reason."""

    found: ReasonCount
    link: str

    @property
    def explanation(self) -> Explanation:
        return explain(self.found.provider, self.found.status, self.found.reason)

    @property
    def vendor_word(self) -> str:
        return f"{self.found.reason or self.found.status} · {provider_name(self.found.provider)}"

    @property
    def devices(self) -> str:
        return number(self.found.count)

    @property
    def done(self) -> str:
        """What was done about it."""
        off = self.found.switched_off
        if not off or off == self.found.count:
            return ""
        words = ngettext("%s of them was switched off.", "%s of them were switched off.", off)
        return words % number(off)


@dataclass(frozen=True, slots=True)
class Through:
    """The part of one credential."""

    name: str
    link: str
    devices: str
    accepted: str
    not_reached: str
    bar: Bar
    paused: str


class Report:
    """One push, as of now."""

    def __init__(self, history: PushHistory) -> None:
        self.history = history
        self.now: Progress = progress(history)

    @property
    def pill(self) -> SafeString:
        if self.now.paused and not self.over and self.history.state == State.SENDING:
            return pill("bad", _("Paused") if self.held else _("Partly paused"))
        return state_pill(self.history)

    @property
    def held(self) -> bool:
        """Whether all that is still open waits for a credential that the guard paused."""
        parts = [part for part in self.now.credentials if not part.paused]
        return not any(part.devices - part.successes - part.failures for part in parts)

    @property
    def over(self) -> bool:
        return self.history.finished_at is not None

    @property
    def begun(self) -> bool:
        return self.history.state != State.SCHEDULED

    @property
    def sentence(self) -> str:
        """The first line, read aloud by a screen reader whenever it changes."""
        history, now = self.history, self.now
        if not self.begun:
            return starts(history)
        if history.state == State.NOBODY:
            return _("Nobody was there to send to.")
        if self.over:
            return self._at_the_end()
        parts = [f"{now.percent} %"]
        waits = waits_for(now)
        if waits and history.state == State.SENDING:
            parts.append(waits)
        elif history.state == State.SENDING and now.speed:
            parts.append(_("%s a second") % of_devices(round(now.speed)))
            left = _left(now)
            parts += [left] if left else []
        if history.state == State.PAUSED and history.detail:
            parts.append(history.detail)
        return " · ".join(parts)

    def _at_the_end(self) -> str:
        seconds = self.now.seconds
        took = _("less than a second") if seconds < 1 else duration(seconds)
        parts = [f"{self.now.percent} %", _("took %s") % took]
        return " · ".join([*parts, self.history.detail] if self.history.detail else parts)

    @property
    def bar(self) -> Bar:
        now = self.now
        waiting = "warn" if self.history.state == State.PAUSED or now.paused else "wait"
        return Bar(
            [
                Segment("ok", now.successes),
                Segment("bad", now.failures),
                Segment(waiting, now.open),
            ]
        )

    @property
    def key(self) -> list[tuple[str, str, str]]:
        """Colour, word, number: what the bar's colours mean."""
        now = self.now
        waiting = "warn" if self.history.state == State.PAUSED or now.paused else "wait"
        rows = [
            ("ok", _("Accepted"), now.successes),
            ("bad", _("Not reached"), now.failures),
            (waiting, _("Waiting"), now.open),
        ]
        return [(tone, word, number(count)) for tone, word, count in rows if count or tone == "ok"]

    @property
    def figures(self) -> list[Figure]:
        now = self.now
        tried = now.successes + now.failures
        rate = f"{100 * now.failures / tried:.1f}" if tried else "0"
        counted = _("devices") if now.planned else _("devices so far; still being counted")
        return [
            Figure(_("Audience"), number(now.devices), counted),
            Figure(_("Accepted"), number(now.successes), _("by Apple, Google or the like")),
            Figure(_("Not reached"), number(now.failures), _("%s %% of those tried") % rate),
            Figure(
                _("Switched off"),
                number(now.switched_off),
                _("part of “not reached”: the app is no longer there"),
            ),
            *self._opened(),
        ]

    def _opened(self) -> list[Figure]:
        """Nothing where no app reports it: a zero would say that nobody looked."""
        opened, accepted = self.history.opened, self.now.successes
        if not opened or not accepted:
            return []
        share = f"{100 * opened / accepted:.1f}"
        return [Figure(_("Opened"), number(opened), _("%s %% of the accepted") % share)]

    @property
    def chart(self) -> Chart:
        return Chart.of(self.history)

    @property
    def left_out(self) -> list[str]:
        rows = self.now.skipped_reasons.items()
        return [f"{of_devices(count)} {skipped_word(reason)}." for reason, count in rows]

    @property
    def why(self) -> list[Why]:
        page = reverse("admin:django_push_deliveryfailure_changelist")
        return [
            Why(row, f"{page}?{urlencode({'push': self.history.pk, 'reason': row.reason})}")
            for row in failure_reasons(self.history)
        ]

    @property
    def through(self) -> list[Through]:
        return [_through(part) for part in self.now.credentials]

    @property
    def paused(self) -> list[dict[str, Any]]:
        """Credentials that the guard paused: what the provider said, and where to mend it."""
        rows = []
        for credential, reason in self.now.paused:
            headline, explanation = explain_pause(reason)
            rows.append(
                {
                    "headline": headline % (credential or _("a deleted credential")),
                    "link": _credential_page(credential),
                    "reason": reason,
                    "explanation": explanation,
                }
            )
        return rows

    @property
    def out_of_reach(self) -> list[str]:
        """Credentials through which nothing gets just now: since when, why, and what next."""
        parts = [] if self.over else self.now.credentials
        return [
            out_of_reach(part.credential) for part in parts if part.credential and part.out_of_reach
        ]

    @property
    def waiting(self) -> str:
        return of_devices(self.now.open)

    @property
    def can_pause(self) -> bool:
        guarded = bool(self.now.paused) and self.held
        runs = self.history.state in {State.SCHEDULED, State.SENDING}
        return runs and not self.over and not guarded

    @property
    def can_resume(self) -> bool:
        return not self.over and (self.history.state == State.PAUSED or bool(self.now.paused))

    @property
    def can_stop(self) -> bool:
        return not self.over and self.history.state != State.CANCELLED

    @property
    def sent(self) -> list[tuple[str, str]]:
        """What was sent, from the frozen copy. Ids, keys and links stand as they are."""
        content = self.history.content
        message = content["message"]
        rows = [(_("Audience"), capfirst(Audience.from_content(content).in_words()))]
        if content.get("purpose"):
            rows.append((_("Purpose"), self._purpose(content["purpose"])))
        if content.get("transactional"):
            rows.append((_("Transactional"), _("To all, also in quiet hours")))
        if message.get("texts"):
            rows.append((_("Languages"), ", ".join(sorted(message["texts"]))))
        names = {"link": _("Opens"), "sound": _("Sound"), "collapse_id": _("Replaces")}
        rows += [(label, message[name]) for name, label in names.items() if message.get(name)]
        if message.get("data"):
            rows.append((_("Data"), ", ".join(message["data"])))
        rows += [(label, capfirst(words)) for label, words in schedule_rows(content)]
        rows.append((_("Push id"), str(self.history.public_id)))
        by = _("%(source)s, by %(name)s")
        source = capfirst(self.history.source or _("unknown"))
        words = {"source": source, "name": self.history.sent_by}
        rows.append((_("Sent from"), by % words if self.history.sent_by else source))
        return rows

    def _purpose(self, key: str) -> str:
        """By its name, as on the page before sending, as long as it is declared."""
        return str(self.history.application.purposes.filter(key=key).first() or key)

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = self.history.content["message"]
        return found

    @property
    def log(self) -> list[tuple[str, str]]:
        """Who did what, newest first."""
        history = self.history
        rows = [(row.action_time, _log_line(row)) for row in _entries(history)]
        if history.started_at:
            rows.append((history.started_at, _("First device reached")))
        if history.finished_at:
            rows.append((history.finished_at, _("Finished")))
        return [(moment(when), line) for when, line in sorted(rows, reverse=True)][:30]


def _left(now: Progress) -> str:
    if not now.planned or now.speed <= 0 or not now.open:
        return ""
    return _("about %s left") % duration(now.open / now.speed + 1)


def _through(part: Any) -> Through:
    waiting = part.devices - part.successes - part.failures
    name = provider_name(part.provider)
    if part.credential is not None:
        name = f"{name} “{part.credential}”"
    return Through(
        name=name,
        link=_credential_page(part.credential),
        devices=number(part.devices),
        accepted=number(part.successes),
        not_reached=number(part.failures),
        bar=Bar(
            [
                Segment("ok", part.successes),
                Segment("bad", part.failures),
                Segment("warn" if part.paused else "wait", waiting),
            ]
        ),
        paused=part.paused,
    )


def _credential_page(credential: Any) -> str:
    if credential is None:
        return ""
    return reverse("admin:django_push_credential_change", args=[credential.pk])


def _entries(history: PushHistory) -> list[LogEntry]:
    kinds = ContentType.objects.get_for_models(PushHistory, Notification)
    of_push = LogEntry.objects.filter(
        content_type=kinds[PushHistory], object_id=str(history.pk)
    ).select_related("user")
    of_text = LogEntry.objects.filter(
        content_type=kinds[Notification],
        object_id=str(history.notification_id),
        action_time__lt=history.created_at,
    ).select_related("user")
    return [*of_push[:20], *of_text[:10]]


def _log_line(row: LogEntry) -> str:
    notifications = ContentType.objects.get_for_model(Notification)
    written = row.is_addition() and row.content_type_id == notifications.pk
    what = _("Wrote the message.") if written else row.get_change_message() or str(row)
    return f"{row.user}: {what}"
