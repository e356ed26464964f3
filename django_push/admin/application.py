"""Applications, and who works with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Count, ForeignKey, JSONField, QuerySet
from django.forms import BaseInlineFormSet, ModelChoiceField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import Application, ApplicationAccess, Credential, Notification, Purpose
from .json_field import StrictJSONField
from .visibility import TabularInline, VisibleAdmin, grant_maker, keep_manager

__all__ = ["ApplicationAdmin"]


if TYPE_CHECKING:
    InlineFormSet = BaseInlineFormSet[Any, Any, Any]
else:
    InlineFormSet = BaseInlineFormSet


class NamedFormSet(InlineFormSet):
    """In a table Django leaves fields without a name for screen readers."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            widget = getattr(field.widget, "widget", field.widget)  # inside the admin's wrapper
            widget.attrs.setdefault("aria-label", str(field.label or ""))


class OwnedInline(TabularInline):
    """Whoever may open the application sees it; whoever manages the application changes it."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def _manages(self, request: HttpRequest, obj: Any) -> bool:
        return self.admin_site._registry[Application].has_change_permission(request, obj)


class AccessInline(OwnedInline):
    model = ApplicationAccess
    formset = NamedFormSet
    extra = 0
    verbose_name_plural = _(
        "access: once somebody is listed in any application, only those who are listed see one"
    )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "user":
            kwargs["queryset"] = _staff()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class PurposeFormSet(NamedFormSet):
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["key"].disabled = form.instance.pk is not None  # apps and messages name it

    def clean(self) -> None:
        """What people said no to must not come back because a row was deleted."""
        super().clean()
        for form in self.deleted_forms:
            purpose = form.instance
            named = Notification.objects.filter(
                application=purpose.application_id, purpose=purpose.key
            )
            if purpose.choices.exists() or named.exists():
                text = _("“%(name)s” stays: people have chosen, or messages name it.")
                raise ValidationError(text % {"name": purpose})


class PurposeInline(OwnedInline):
    """What people may opt out of; who manages the application declares it."""

    model = Purpose
    formset = PurposeFormSet
    extra = 0
    fields = ("key", "name", "transactional", "default_on")
    verbose_name_plural = _("purposes: what pushes are about; people may opt out of each")


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
    inlines = (PurposeInline, AccessInline)
    formfield_overrides = {JSONField: {"form_class": StrictJSONField}}
    fieldsets = (
        (None, {"fields": ("name", "description", "key", "sender_id", "time_zone")}),
        (_("Quiet hours"), {"fields": ("quiet_from", "quiet_until")}),
        (_("Safety"), {"fields": ("trust_client_user_ids",)}),
        (_("Push settings"), {"classes": ("collapse",), "fields": ("push_settings",)}),
    )

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "open-to-all-staff/",
            self.admin_site.admin_view(self.open_view),
            name="django_push_application_open",
        )
        return [own, *super().get_urls()]

    def open_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST forgets all access; for superusers, who see everything anyway."""
        if not (request.user.is_active and getattr(request.user, "is_superuser", False)):
            raise PermissionDenied
        page = reverse("admin:django_push_application_changelist")
        if not ApplicationAccess.objects.is_restricted():
            self.message_user(request, _("All staff work with all applications already."))
            return HttpResponseRedirect(page)
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": _("Open to all staff"),
                "opts": self.opts,
                "listed": ApplicationAccess.objects.values("user").distinct().count(),
            }
            name = "admin/django_push/application/open.html"
            return TemplateResponse(request, name, context)
        ApplicationAccess.objects.open_to_all_staff()
        for application in Application.objects.all():
            self.log_change(request, application, _("Opened to all staff."))
        text = _("Every staff member works with every application now.")
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(page)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        superuser = getattr(request.user, "is_superuser", False)
        may_open = superuser and ApplicationAccess.objects.is_restricted()
        return super().changelist_view(request, {**(extra_context or {}), "may_open": may_open})

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Not VisibleAdmin's: the first application is made where there is none to have a role in.
        return super(VisibleAdmin, self).has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # millions of rows hang on it

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
        open_to_all = not ApplicationAccess.objects.is_restricted()
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
