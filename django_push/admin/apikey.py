"""API keys: made here, shown once, revoked here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from .. import crypto
from ..models import ApiKey
from .visibility import ApplicationFilter, VisibleAdmin
from .words import pill

__all__ = ["ApiKeyAdmin"]

_SHOWN_ONCE = "_push_new_key"
"""Where the value travels from saving to the page, within one request."""


# Generic in the stubs only: at run time ModelForm takes no parameter.
class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    given = forms.CharField(
        label=gettext_lazy("Existing key"),
        min_length=20,  # shorter ones could be guessed: keys are not held up by the throttle
        max_length=191,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Only when apps in people's hands already carry a key, of at least 20 "
            "characters. Empty: a new one is made."
        ),
    )

    class Meta:
        model = ApiKey
        fields = ("application", "kind", "name")

    def clean_given(self) -> str:
        value: str = self.cleaned_data["given"]
        if value and ApiKey.objects.filter(digest__in=crypto.digests(value)).exists():
            raise forms.ValidationError(_("This key is already in use. Choose another."))
        return value


@admin.register(ApiKey)
class ApiKeyAdmin(VisibleAdmin):
    form = ApiKeyForm
    list_display = ("label", "kind", "application", "state", "created_at")
    list_filter = (ApplicationFilter, "kind")
    list_select_related = ("application",)
    search_fields = ("name",)
    actions = ("revoke",)
    ordering = ("-pk",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A key is not edited; permission to change lets revoke it.
        return obj is None and super().has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        made = ("application", "kind", "name")
        return (*made, "state", "created_at") if obj else (*made, "given")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("state", "created_at") if obj else ()

    @sensitive_variables()
    @method_decorator(sensitive_post_parameters("given"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's, with the key kept out of error reports."""
        answer: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made, value = ApiKey.objects.issue(
            obj.application, obj.kind, name=obj.name, value=form.cleaned_data["given"]
        )
        obj.pk = made.pk
        request.__dict__[_SHOWN_ONCE] = value

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, ApiKey.objects.get(pk=obj.pk), message)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        # The answer itself, which the admin never lets be cached, and no message after a redirect:
        # messages are kept in cookies.
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new key"),
            "subtitle": str(obj.application),
            "opts": self.opts,
            "original": obj,
            "has_view_permission": True,
            "value": request.__dict__[_SHOWN_ONCE],
            "key": obj,
        }
        return TemplateResponse(request, "admin/django_push/apikey/created.html", context)

    @admin.action(description=gettext_lazy("Revoke the chosen keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        mine = [key for key in queryset if key.revoked_at is None and self._manages(request, key)]
        for key in mine:
            key.revoke()
            self.log_change(request, key, _("Revoked."))
        text = ngettext("%d key was revoked.", "%d keys were revoked.", len(mine)) % len(mine)
        self.message_user(request, text, messages.SUCCESS if mine else messages.WARNING)

    def _manages(self, request: HttpRequest, key: ApiKey) -> bool:
        return self._in_role(request, key, self.write_role)

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def label(self, obj: ApiKey) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("state"), ordering="revoked_at")
    def state(self, obj: ApiKey) -> Any:
        return pill("", _("Revoked")) if obj.revoked_at else pill("ok", _("Works"))
