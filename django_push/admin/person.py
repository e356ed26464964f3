"""The page of one user's data: what there is, a copy of it to take away, and the end of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..exceptions import InvalidRegistration
from ..models import Application, Installation, Role
from ..people import Erased, erase_user, export_user, held, person_applications
from .visibility import VisibleAdmin, applications

__all__ = ["PersonPages"]

PAGE = "admin:django_push_installation_person"


class PersonPages(VisibleAdmin):
    """Mixed into the admin of devices."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.person_view)
        return [path("person/", view, name="django_push_installation_person"), *super().get_urls()]

    def person_view(self, request: HttpRequest) -> HttpResponse:
        """One user's data, in the applications that this member of staff manages."""
        return PersonView(self, request).answer()

    @admin.action(
        description=gettext_lazy("Data of the device's user: hand out or erase"),
        permissions=["view"],
    )
    def data_of_user(
        self, request: HttpRequest, queryset: QuerySet[Installation]
    ) -> HttpResponse | None:
        """To the page of the one user whom the chosen devices belong to."""
        keys = set(queryset.exclude(user_key="").values_list("user_key", flat=True)[:2])
        if len(keys) == 1:
            return HttpResponseRedirect(f"{reverse(PAGE)}?{urlencode({'user': keys.pop()})}")
        text = (
            _("Choose devices of one user.") if keys else _("Nobody is signed in on these devices.")
        )
        self.message_user(request, text, messages.WARNING)
        return None


class PersonView:
    """One request to the page. GET shows; POST hands out (``copy``) or erases (``erase``)."""

    def __init__(self, model_admin: VisibleAdmin, request: HttpRequest) -> None:
        self.admin, self.request = model_admin, request
        self.managed = list(applications(request, Role.MANAGER).order_by("name", "pk"))
        self.user = (request.POST if request.method == "POST" else request.GET).get("user", "")
        if not (model_admin.has_view_permission(request) and self.managed):
            raise PermissionDenied

    @property
    def may_erase(self) -> bool:
        opts = self.admin.opts
        user: Any = self.request.user
        return bool(user.has_perm(f"{opts.app_label}.delete_{opts.model_name}"))

    @property
    def sees_tokens(self) -> bool:
        """As for the export of devices: who manages the application and its credentials."""
        user: Any = self.request.user
        return bool(user.has_perm("django_push.change_credential"))

    def answer(self) -> HttpResponse:
        try:
            if self.request.method == "POST" and "copy" in self.request.POST:
                return self._copy()
            if self.request.method == "POST" and "erase" in self.request.POST:
                return self._erase()
            return self._page()
        except InvalidRegistration as error:
            return self._page(error.message, status=400, looked=False)

    def _copy(self) -> HttpResponse:
        found = export_user(self.user, self.managed, whole_tokens=self.sees_tokens)
        self._log(person_applications(self.user, self.managed), _("Handed out a user's data."))
        text = json.dumps(found, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        answer = HttpResponse(text, content_type="application/json; charset=utf-8")
        name = re.sub(r"[^A-Za-z0-9._-]", "_", self.user)[:64]
        answer["Content-Disposition"] = f'attachment; filename="user-{name}.json"'
        return answer

    def _erase(self) -> HttpResponse:
        if not self.may_erase:
            raise PermissionDenied
        if self.request.POST.get("confirm", "") != self.user:
            text = _("Nothing was erased: type the user id as it stands above.")
            return self._page(text, status=400)
        concerned = person_applications(self.user, self.managed)
        done = erase_user(self.user, self.managed)
        self._log(concerned, _("Erased a user."))
        number = done.deleted[Installation.__name__]
        text = ngettext(
            "The user was erased, with %d device.", "The user was erased, with %d devices.", number
        )
        self.admin.message_user(self.request, text % number, messages.SUCCESS)
        return HttpResponseRedirect(reverse(PAGE))

    def _log(self, concerned: Iterable[Application], text: str) -> None:
        """Who did it, when and where; not to whom: the log would be the last to know the id."""
        for application in concerned:
            self.admin.log_change(self.request, application, text)

    def _page(self, error: str = "", status: int = 200, looked: bool = True) -> HttpResponse:
        found = held(self.user, self.managed) if self.user and looked else None
        context = {
            **self.admin.admin_site.each_context(self.request),
            "title": _("Data of a user"),
            "opts": self.admin.opts,
            "user_id": self.user,
            "error": error,
            "managed": self.managed,
            "found": found,
            "lines": _lines(found) if found else [],
            "may_erase": self.may_erase,
            "sees_tokens": self.sees_tokens,
        }
        name = "admin/django_push/installation/person.html"
        return TemplateResponse(self.request, name, context, status=status)


def _lines(found: Erased) -> list[tuple[str, int, str]]:
    """What there is: its name, how many, what erasing does with it."""
    gone = [
        (_name(model), number, _("deleted")) for model, number in found.deleted.items() if number
    ]
    stays = _("stays, and names the user no more")
    kept = _("kept: done as staff")
    rest = [(_name(model), number, stays) for model, number in found.rewritten.items() if number]
    rest += [(_name(label.split(".")[0]), n, kept) for label, n in found.kept.items() if n]
    return gone + rest


def _name(model: str) -> str:
    return str(apps.get_model("django_push", model)._meta.verbose_name_plural)
