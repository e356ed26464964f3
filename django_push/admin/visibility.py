"""Who sees what: rows, choices and verbs of an admin, all from ``visible_to(user)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Application, ApplicationAccess, Role

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline

__all__ = [
    "ApplicationFilter",
    "ReadOnly",
    "TabularInline",
    "VisibleAdmin",
    "applications",
    "grant_maker",
    "keep_manager",
    "may",
    "row_id",
]

LONGEST_ID = 18
"""Digits that surely fit into the 64 bits of a primary key."""


def applications(request: HttpRequest, role: Role = Role.VIEWER) -> QuerySet[Application]:
    """The applications in which the person behind ``request`` has at least ``role``."""
    found: QuerySet[Application] = Application.objects.visible_to(request.user, role)
    return found


def may(request: HttpRequest, role: Role, application_id: int | None) -> bool:
    """Whether that person has at least ``role`` in one application.

    A page asks this for every model of the sidebar, so the answer is kept with the request.
    """
    return application_id in _ids(request, role)


def _ids(request: HttpRequest, role: Role) -> set[int]:
    known: dict[Role, set[int]] = request.__dict__.setdefault("_push_roles", {})
    if role not in known:
        known[role] = set(applications(request, role).values_list("pk", flat=True))
    return known[role]


def row_id(value: str) -> int | None:
    """A primary key in an address or a form; ``None`` for what cannot be one.

    ``str.isdigit`` knows digits that ``int`` does not, and ``int`` refuses very many of them.
    """
    fits = value.isascii() and value.isdigit() and len(value) <= LONGEST_ID
    return int(value) if fits else None


class VisibleAdmin(ModelAdmin):
    """An admin whose rows belong to applications, and show to those who work with them."""

    application_path = "application"
    """Lookup from the model to its application; ``pk`` for the application itself."""
    write_role = Role.MANAGER
    """What it takes to add, change or delete, beside Django's permission."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        visible = applications(request).values("pk")
        return super().get_queryset(request).filter(**{f"{self.application_path}__in": visible})

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the page itself filters by.

        Django lets an address ask any column, such as ``?address__startswith=``: with enough
        questions that reads what the pages do not show.
        """
        own = {getattr(item, "parameter_name", item) for item in self.list_filter}
        named = lookup.partition("__")[0] in own | {self.date_hierarchy}
        return named and bool(super().lookup_allowed(lookup, value, request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self._in_role(
            request, obj, Role.VIEWER
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and bool(_ids(request, self.write_role))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._in_role(
            request, obj, self.write_role
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._in_role(
            request, obj, self.write_role
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """One application is no choice."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        only = _ids(request, self.write_role)
        return {"application": next(iter(only)), **initial} if len(only) == 1 else initial

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        kwargs.setdefault("queryset", self._choices(db_field.related_model, request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _choices(self, model: Any, request: HttpRequest) -> QuerySet[Any] | None:
        if model is Application:
            return applications(request, self.write_role)
        related = self.admin_site._registry.get(model)
        return related.get_queryset(request) if isinstance(related, VisibleAdmin) else None

    def application_id(self, obj: Any) -> int | None:
        """Of which application ``obj`` is."""
        *path, last = self.application_path.split("__")
        for name in path:
            obj = getattr(obj, name)
        value: int | None = obj.pk if last == "pk" else getattr(obj, f"{last}_id")
        return value

    def _in_role(self, request: HttpRequest, obj: Model | None, role: Role) -> bool:
        if obj is None:
            return role is Role.VIEWER or bool(_ids(request, role))
        return may(request, role, self.application_id(obj))


class ReadOnly(VisibleAdmin):
    """A ledger: it is looked at, nothing in it is written by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ApplicationFilter(admin.SimpleListFilter):
    """By application; only those that are visible, and only when there is a choice."""

    title = _("application")
    parameter_name = "of"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        self._path = model_admin.application_path
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = applications(request).values_list("pk", "name")[:100]
        return [(str(pk), name) for pk, name in rows]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        value = self.value()
        if not value:
            return None
        pk = row_id(value)
        return queryset.none() if pk is None else queryset.filter(**{self._path: pk})


def keep_manager(request: HttpRequest, application: Application) -> None:
    """Undo the removal of the last access of all: it would lock everybody out but superusers."""
    user: Any = request.user
    if not user.is_superuser:
        ApplicationAccess.objects.create(application=application, user=user, role=Role.MANAGER)


def grant_maker(request: HttpRequest, application: Application) -> None:
    """Who makes an application manages it, where access is handed out one by one."""
    user: Any = request.user
    if not user.is_superuser and ApplicationAccess.objects.is_restricted():
        ApplicationAccess.objects.get_or_create(
            application=application, user=user, defaults={"role": Role.MANAGER}
        )
