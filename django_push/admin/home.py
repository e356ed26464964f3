"""What the home page of the console shows, most urgent first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.core.cache import cache
from django.db.models import Count, Exists, Model, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..conf import push_settings
from ..models import (
    Application,
    ApplicationAccess,
    Credential,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
    State,
)
from ..submission import AudienceCount
from .credential import credential_state, credential_trouble, expiry_sentence
from .preflight import Count as Shown
from .report import Report
from .trial import SOURCE, may_send
from .visibility import applications
from .week import Day, end_of_week, week
from .words import moment, number

__all__ = ["Home"]

REACH_SECONDS = 60
"""How long a count of all devices is kept: it reads every row."""
DRAFTS, RECENT, RUNNING = 8, 10, 5


@dataclass(frozen=True, slots=True)
class Trouble:
    """A line at the top: what is broken, and where to mend it."""

    tone: str
    strong: str
    text: str
    link: str
    verb: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of the three steps to the first push."""

    done: bool
    name: str
    text: str
    link: str = ""
    verb: str = ""


class Home:
    """The page for one person: rows of applications that they see, of models that they may see."""

    def __init__(self, request: HttpRequest, site: AdminSite) -> None:
        self._request, self._site = request, site
        self._applications = applications(request)

    def _sees(self, model: type[Model]) -> bool:
        admin = self._site._registry.get(model)
        return admin is not None and admin.has_view_permission(self._request)

    def _rows(self, model: type[Model]) -> Any:
        if not self._sees(model):
            return model._default_manager.none()
        return self._site._registry[model].get_queryset(self._request)

    @property
    def may_compose(self) -> bool:
        admin = self._site._registry.get(Notification)
        return admin is not None and admin.has_add_permission(self._request)

    @property
    def redirect_to(self) -> str:
        return push_settings.REDIRECT_TO or ""

    @property
    def troubles(self) -> list[Trouble]:
        return [*self._paused(), *self._credentials(), *self._locked_out()]

    def _locked_out(self) -> list[Trouble]:
        """Access was handed out, and nobody has any left: only superusers can mend that."""
        superuser = getattr(self._request.user, "is_superuser", False)
        access = ApplicationAccess.objects
        if not superuser or access.exists() or not access.is_restricted():
            return []
        page = reverse("admin:django_push_application_changelist")
        text = _("The last access was removed. List somebody in an application, or open all.")
        return [Trouble("warn", _("Only superusers see applications."), text, page, _("Open it"))]

    def _paused(self) -> list[Trouble]:
        rows = self._rows(PushHistory).filter(finished_at=None)
        open_batches = PushBatch.objects.filter(history=OuterRef("pk"), settled_at=None)
        held = Exists(open_batches.exclude(pause_reason=""))
        found = rows.filter(Q(state=State.PAUSED) | held)
        return [self._paused_line(row) for row in found.order_by("-pk")[:5]]

    def _paused_line(self, history: PushHistory) -> Trouble:
        report = Report(history)
        why = report.paused[0]["reason"] if report.paused else history.detail
        return Trouble(
            "bad",
            _("“%s” is paused.") % history,
            _("%(why)s; %(devices)s waiting.")
            % {"why": why.rstrip("."), "devices": report.waiting},
            reverse("admin:django_push_pushhistory_change", args=[history.pk]),
            _("See why"),
        )

    def _credentials(self) -> list[Trouble]:
        rows = self._rows(Credential).filter(is_active=True)
        return [self._credential_line(row) for row in rows[:100] if credential_trouble(row)]

    def _credential_line(self, credential: Credential) -> Trouble:
        tone, words = credential_state(credential)
        return Trouble(
            tone,
            _("Credential “%(name)s”: %(state)s.") % {"name": credential, "state": words},
            expiry_sentence(credential),
            reverse("admin:django_push_credential_change", args=[credential.pk]),
            _("Open it"),
        )

    @property
    def running(self) -> list[Report]:
        rows = self._rows(PushHistory).filter(finished_at=None).exclude(source=SOURCE)
        under_way = rows.filter(state__in=[State.SENDING, State.PAUSED])
        return [Report(row) for row in under_way.order_by("-pk")[:RUNNING]]

    @property
    def coming(self) -> list[Any]:
        """What waits for a later day than those of :attr:`week`."""
        rows = self._rows(PushHistory).filter(state=State.SCHEDULED, finished_at=None)
        return list(rows.filter(due_at__gte=end_of_week()).order_by("due_at")[:RUNNING])

    @property
    def week(self) -> list[Day]:
        return week(self._rows(PushHistory), self._rows(Notification))

    @property
    def requests(self) -> list[Any]:
        """What others ask this person to send."""
        rows = self._rows(Notification).filter(status=Notification.Status.REQUESTED)
        found = rows.select_related("created_by").order_by("pk")[:DRAFTS]
        return [(row, may_send(self._request, row.application_id)) for row in found]

    @property
    def drafts(self) -> list[Any]:
        rows = self._rows(Notification).filter(status=Notification.Status.DRAFT)
        return list(rows.select_related("created_by").order_by("-updated_at")[:DRAFTS])

    @property
    def recent(self) -> list[Report]:
        rows = self._rows(PushHistory).exclude(source=SOURCE).exclude(state=State.SCHEDULED)
        return [Report(row) for row in rows.order_by("-pk")[:RECENT]]

    @property
    def reach(self) -> dict[str, Any] | None:
        """Devices of all visible applications: on by platform, and off."""
        if not self._sees(Installation):
            return None
        ids = sorted(self._applications.values_list("pk", flat=True))
        key = f"django_push.reach.{hash(tuple(ids))}"
        found: Any = cache.get_or_set(key, lambda: _reach(ids), REACH_SECONDS)
        return {
            "on": Shown(AudienceCount(devices=sum(found["on"].values()), per_type=found["on"])),
            "off": number(found["off"]),
            "counted": moment(found["at"]),
        }

    @property
    def steps(self) -> list[Step]:
        """Shown until the first device has registered; empty from then on."""
        application = self._applications.order_by("pk").first()
        credential = Credential.objects.filter(application__in=self._applications).exists()
        device = Installation.objects.filter(application__in=self._applications).exists()
        if application and device and (credential or self.redirect_to):
            return []
        return [
            _application_step(application),
            _credential_step(done=credential),
            _device_step(application, done=device),
        ]


def _reach(ids: list[int]) -> dict[str, Any]:
    rows = Installation.objects.filter(application__in=ids).order_by()
    counted = rows.values_list("device_type", "is_active").annotate(number=Count("pk"))
    on = {kind: number for kind, active, number in counted if active}
    off = sum(number for _kind, active, number in counted if not active)
    return {"on": on, "off": off, "at": timezone.now()}


def _application_step(application: Application | None) -> Step:
    if application is not None:
        words = {"name": application.name, "key": application.key}
        return Step(True, _("Application"), _("%(name)s, key %(key)s") % words)
    page = reverse("admin:django_push_application_add")
    return Step(False, _("Application"), _("none yet."), page, _("Add application"))


def _credential_step(*, done: bool) -> Step:
    if done:
        return Step(True, _("Credential"), _("there."))
    text = _("none yet. Upload an Apple key or a Google service account.")
    page = reverse("admin:django_push_credential_add")
    return Step(False, _("Credential"), text, page, _("Add credential"))


def _device_step(application: Application | None, *, done: bool) -> Step:
    if done:
        return Step(True, _("Device"), _("registered."))
    key = application.key if application else "<key>"
    text = _("none has registered. The app calls %s with its token.")
    return Step(False, _("Device"), text % f"POST …/{key}/register-device")
