"""Applications, and who works with them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Count, ForeignKey, JSONField, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import Application, ApplicationAccess, Credential
from .json_field import StrictJSONField
from .visibility import TabularInline, VisibleAdmin, grant_maker, keep_manager

__all__ = ["ApplicationAdmin"]


class AccessInline(TabularInline):
    model = ApplicationAccess
    extra = 0
    verbose_name_plural = _(
        "access: while nobody is listed in any application, every staff member sees all"
    )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "user":
            kwargs["queryset"] = _staff()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # who may open the application may know who else can

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def _manages(self, request: HttpRequest, obj: Any) -> bool:
        return self.admin_site._registry[Application].has_change_permission(request, obj)


def _staff() -> QuerySet[Any]:
    users = get_user_model()._default_manager.all()
    try:
        users.model._meta.get_field("is_staff")
    except FieldDoesNotExist:  # a user model may compute it
        return users
    return users.filter(is_staff=True)


@admin.register(Application)
class ApplicationAdmin(VisibleAdmin):
    application_path = "pk"
    list_display = ("name", "key", "credentials_in_use", "sender_id", "created_at")
    search_fields = ("name", "key")
    ordering = ("name", "pk")
    inlines = (AccessInline,)
    formfield_overrides = {JSONField: {"form_class": StrictJSONField}}
    fieldsets = (
        (None, {"fields": ("name", "description", "key", "sender_id", "time_zone")}),
        (_("Safety"), {"fields": ("trust_client_user_ids",)}),
        (_("Push settings"), {"classes": ("collapse",), "fields": ("push_settings",)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Not VisibleAdmin's: the first application is made where there is none to have a role in.
        return super(VisibleAdmin, self).has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # millions of rows hang on it: manage.py push_delete_application

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(_credentials=Count("credentials"))
        return counted

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            grant_maker(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        open_to_all = not ApplicationAccess.objects.exists()
        super().save_related(request, form, formsets, change)
        if open_to_all:
            # The first access that is given takes everybody else's: not that of who gives it.
            grant_maker(request, form.instance)
        elif not ApplicationAccess.objects.exists():
            keep_manager(request, form.instance)

    @admin.display(description=_("credentials"), ordering="_credentials")
    def credentials_in_use(self, obj: Any) -> SafeString | str:
        if not obj._credentials:
            return format_html('<span class="push-pill warn">{}</span>', _("None yet"))
        usable = Credential.objects.usable().filter(application=obj).count()
        return f"{usable} / {obj._credentials}" if usable != obj._credentials else str(usable)
