"""Credentials: uploaded, watched, tested; their secrets never leave the database again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from ..models import Credential, Installation
from ..providers.base import known_providers
from .credential_check import LEVELS, TONES, check_now
from .credential_form import CredentialForm, typed_fields, with_typed_fields
from .trial import device_choices
from .visibility import ApplicationFilter, VisibleAdmin
from .words import (
    duration,
    moment,
    network_name,
    number,
    of_devices,
    out_of_reach,
    pill,
    provider_name,
)

__all__ = ["CredentialAdmin", "credential_state", "credential_trouble"]

WARN_DAYS = 30
DAY = 86_400


def credential_state(credential: Credential) -> tuple[str, str]:
    """Tone and words of a credential's state; the most urgent thing wins."""
    trouble = _trouble(credential)
    if trouble:
        return "bad", trouble
    if not credential.is_active:
        return "", _("Not in use")
    return _in_order(credential)


def _in_order(credential: Credential) -> tuple[str, str]:
    if credential.expires_at is not None:
        return _until(credential.expires_at)
    if credential.check_result == Credential.Check.NEVER:
        return "", _("Never checked")
    return "ok", _("Does not expire")


def _trouble(credential: Credential) -> str:
    if credential.is_locked:
        return _("Locked")
    if credential.check_result == Credential.Check.REFUSED:
        return _("Refused")
    return _("Out of reach") if credential.down_since is not None else ""


def _until(end: Any) -> tuple[str, str]:
    left = (end - timezone.now()).total_seconds()
    if left <= 0:
        return "bad", _("Expired %s ago") % duration(-left)
    if left < WARN_DAYS * DAY:
        return "warn", _("%s left") % duration(left)
    return "ok", _("Until %s") % formats.date_format(timezone.localtime(end), "SHORT_DATE_FORMAT")


def credential_trouble(credential: Credential) -> bool:
    """Whether somebody should look at it."""
    return credential_state(credential)[0] in {"warn", "bad"}


class ProviderFilter(admin.SimpleListFilter):
    title = gettext_lazy("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(k, cls.verbose_name) for k, cls in known_providers().items() if cls.needs_account]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(provider=self.value()) if self.value() else None


@admin.register(Credential)
class CredentialAdmin(VisibleAdmin):
    form = CredentialForm
    list_display = ("label", "vendor", "app", "devices", "state", "last_check")
    list_filter = (ApplicationFilter, ProviderFilter, "environment", "is_active")
    list_select_related = ("application",)
    search_fields = ("name", "topic")
    change_form_template = "admin/django_push/credential/change_form.html"
    readonly_fields = ("vendor", "state", "read_from_file", "secret", "last_check", "checking")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "application") if obj else self.readonly_fields

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = with_typed_fields(obj.provider if obj else "")
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        typed = [name for name, _spec, cls in typed_fields() if not obj or cls.name == obj.provider]
        use = ("name", "environment", "is_active")
        if obj is None:
            return (
                (None, {"fields": ("application", "provider")}),
                (_("File"), {"fields": ("file", "password")}),
                (_("What the file does not say"), {"fields": typed}),
                (_("Use"), {"fields": use}),
            )
        now = ("application", "vendor", "state", "read_from_file", "secret")
        if not self.has_change_permission(request, obj):
            return ((None, {"fields": (*now, "last_check", *use)}),)
        return (
            (_("In use now"), {"fields": (*now, "checking")}),
            (_("Replace the file"), {"fields": ("file", "password")}),
            (_("Details"), {"fields": typed}),
            (_("Use"), {"fields": use}),
        )

    @sensitive_variables()
    @method_decorator(sensitive_post_parameters("password"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's, with file and password kept out of error reports."""
        answer: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return answer

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/check/",
            self.admin_site.admin_view(self.check_view),
            name="django_push_credential_check",
        )
        return [own, *super().get_urls()]

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the provider: the answer as JSON for the script, as a message without it."""
        credential = self.get_object(request, unquote(object_id))
        if credential is None:
            raise Http404(_("There is no such credential."))
        if request.method != "POST" or not self.has_change_permission(request, credential):
            raise PermissionDenied
        verdict, said = check_now(credential)
        self.log_change(request, credential, _("Checked: %s") % verdict.value)
        if request.accepts("text/html"):
            self.message_user(request, said, LEVELS[verdict])
            page = reverse("admin:django_push_credential_change", args=[credential.pk])
            return HttpResponseRedirect(page)
        answer = {"text": said, "tone": TONES[verdict], "state": self.state(credential)}
        return JsonResponse({**answer, "last_check": self.last_check(credential)})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if "file" in form.changed_data:
            obj.uploaded_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        context["test_devices"] = test_devices(request, self.admin_site, obj) if obj else None
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def label(self, obj: Credential) -> SafeString:
        return format_html(
            '{}<br><span class="push-quiet push-small">{}</span>', obj, obj.public.get("kind", "")
        )

    @admin.display(description=gettext_lazy("provider"), ordering="provider")
    def vendor(self, obj: Credential) -> str:
        return provider_name(obj.provider)

    @admin.display(description=gettext_lazy("app"), ordering="topic")
    def app(self, obj: Credential) -> SafeString:
        return format_html(
            '{}<br><span class="push-quiet push-small">{}</span>',
            obj.topic,
            obj.get_environment_display(),
        )

    @admin.display(description=gettext_lazy("devices"))
    def devices(self, obj: Credential) -> SafeString:
        """Switched-on devices of its network: what its end would cost."""
        return format_html('<span class="push-num">{}</span>', number(devices_of(obj)))

    @admin.display(description=gettext_lazy("state"), ordering="expires_at")
    def state(self, obj: Credential) -> SafeString:
        mark = pill(*credential_state(obj))
        if obj.down_since is not None:
            sentence = out_of_reach(obj)
            return format_html(
                '{}<br><span class="push-quiet push-small">{}</span>', mark, sentence
            )
        if obj.expires_at is None or credential_state(obj)[0] == "ok":
            return mark
        end = formats.date_format(timezone.localtime(obj.expires_at), "DATETIME_FORMAT")
        return format_html('{}<br><span class="push-quiet push-small">{}</span>', mark, end)

    @admin.display(description=gettext_lazy("last check"), ordering="checked_at")
    def last_check(self, obj: Credential) -> str:
        if obj.checked_at is None:
            return _("Not yet.")
        said = obj.check_detail or obj.get_check_result_display()
        return f"{moment(obj.checked_at)}: {said}"

    @admin.display(description=gettext_lazy("last check"))
    def checking(self, obj: Credential) -> SafeString:
        """:meth:`last_check`, with the button that makes a new one."""
        return render_to_string(
            "admin/django_push/credential/checking.html",
            {"credential": obj, "last_check": self.last_check(obj)},
        )

    @admin.display(description=gettext_lazy("read from the file"))
    def read_from_file(self, obj: Credential) -> SafeString | str:
        names = {"kind": _("Kind"), "key_id": _("Key id"), "team_id": _("Team id")}
        names |= {"project_id": _("Project"), "client_email": _("Account"), "topics": _("Topics")}
        rows = [(names[k], _plain(v)) for k, v in obj.public.items() if k in names and v]
        if obj.topic:
            rows.append((_("App"), obj.topic))
        return format_html_join(" · ", "{} <b>{}</b>", rows) if rows else _("Nothing.")

    @admin.display(description=gettext_lazy("secret"))
    def secret(self, obj: Credential) -> SafeString:
        if obj.is_locked:
            text = _(
                "No key of this server opens it. Put the former SECRET_KEY into "
                "SECRET_KEY_FALLBACKS, or upload the file again."
            )
            return format_html("{}", text)
        print_ = str(obj.public.get("fingerprint", ""))
        said = [
            (format_html("{}", _("Stored encrypted. Nobody can read it here, you neither.")),),
            *(
                [(format_html("{} <code>{}…</code>", _("Fingerprint"), print_[:16]),)]
                if print_
                else []
            ),
            *([(_("Uploaded by %s") % obj.uploaded_by,)] if obj.uploaded_by else []),
        ]
        return format_html_join(" · ", "{}", said)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def devices_of(credential: Credential) -> int:
    """Devices that are switched on, of the credential's application and network."""
    cls = known_providers().get(credential.provider)
    network = cls.network if cls else credential.provider
    return Installation.objects.filter(
        application=credential.application_id, provider=network, is_active=True
    ).count()


def expiry_sentence(credential: Credential) -> str:
    """What an ended or ending credential costs, for the home page."""
    count = devices_of(credential)
    words = ngettext("%s depends on it.", "%s depend on it.", count)
    return words % of_devices(count)


def test_devices(request: HttpRequest, site: Any, credential: Credential) -> Any:
    cls = known_providers().get(credential.provider)
    return device_choices(
        request, site, credential.application, cls.network if cls else network_name("")
    )
