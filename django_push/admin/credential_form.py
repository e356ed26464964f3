"""The form in which staff upload a provider's file and type what it does not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import accounts
from ..exceptions import InvalidCredential, LockedSecret
from ..models import Credential
from ..providers.base import Field, Provider, get_provider_class, known_providers

__all__ = ["CredentialForm", "field_key", "typed_fields"]


def account_providers() -> dict[str, type[Provider[Any]]]:
    """The providers that need an account, by name."""
    return {name: cls for name, cls in known_providers().items() if cls.needs_account}


def field_key(provider: str, name: str) -> str:
    return f"{provider}-{name}"


def typed_fields() -> Iterator[tuple[str, Field, type[Provider[Any]]]]:
    """Every field of every provider, with its name in the form."""
    for provider, cls in account_providers().items():
        for spec in cls.fields:
            yield field_key(provider, spec.name), spec, cls


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg]
    """Nothing becomes a credential that the provider's own class has not read."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        widget=forms.FileInput(attrs={"data-drop": ""}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password of the file"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "The one typed when the .p12 was exported. Empty when there is none."
        ),
    )

    class Meta:
        model = Credential
        fields = ("application", "provider", "name", "environment", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "provider" in self.fields:
            choices = [(name, cls.verbose_name) for name, cls in account_providers().items()]
            widget = forms.Select(attrs={"data-provider-choice": ""})
            self.fields["provider"] = forms.ChoiceField(
                label=gettext_lazy("Provider"), choices=choices, widget=widget
            )
        if "file" in self.fields:
            self.fields["file"].help_text = self._file_help()
        if self.instance.pk and not self.instance.is_locked:
            self._fill_in()

    def _file_help(self) -> str:
        """Each provider's own words; the script leaves only the chosen provider's."""
        mine = [
            cls for name, cls in account_providers().items() if self.instance.provider in ("", name)
        ]
        rows = [(cls.name, cls.verbose_name, _(cls.file_help)) for cls in mine if cls.file_help]
        helps = format_html_join(" ", '<span data-help-of="{}">{}: {}</span>', rows)
        return format_html("{} {}", helps, _("At most 64 kB."))

    def _fill_in(self) -> None:
        account = self.instance.account()
        for name, spec, cls in typed_fields():
            if cls.name == self.instance.provider and name in self.fields:
                self.fields[name].initial = spec.value_in(account)

    def clean_file(self) -> Any:
        uploaded = self.cleaned_data["file"]
        if uploaded is None and not self.instance.pk:
            raise forms.ValidationError(_("Choose the file that the provider gave you."))
        if uploaded is not None and uploaded.size > accounts.MAX_FILE:
            raise forms.ValidationError(_("This file has more than 64 kB: it is no credential."))
        return uploaded

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            self._take()

    def _take(self) -> None:
        """Let the provider read the file, and look at everything together."""
        provider = get_provider_class(self.instance.provider)
        try:
            accounts.take(self.instance, self._upload(), self._typed(provider))
        except InvalidCredential as error:
            self.add_error(self._place(provider, error.field), error.message)
        except LockedSecret:
            self.add_error(
                "file", _("No key of this server opens the stored secret: upload the file again.")
            )

    def _upload(self) -> accounts.Upload | None:
        uploaded = self.cleaned_data.get("file")
        if uploaded is None:
            return None
        return accounts.Upload(
            name=uploaded.name,
            content=uploaded.read(),
            password=self.cleaned_data.get("password", ""),
        )

    def _typed(self, provider: type[Provider[Any]]) -> dict[str, str]:
        """What was typed now wins over the file; what stood in the form already does not, or the
        id of the former key would come with the new one."""
        names = {spec.name: field_key(provider.name, spec.name) for spec in provider.fields}
        return {
            name: str(self.cleaned_data.get(key) or "").strip()
            for name, key in names.items()
            if key in self.changed_data
        }

    def _place(self, provider: type[Provider[Any]], field: str) -> str | None:
        """The form's field for the one that a provider names."""
        for name in (field_key(provider.name, field), field, "file"):
            if name in self.fields:
                return name
        return None


def with_typed_fields(only: str = "") -> type[CredentialForm]:
    """The form with the fields of all providers, or of ``only`` one."""
    extra: dict[str, Any] = {}
    for name, spec, cls in typed_fields():
        if only in ("", cls.name):
            label = _(spec.label) if only else f"{_(spec.label)} ({cls.verbose_name})"
            extra[name] = forms.CharField(
                label=label,
                required=False,
                max_length=191,
                help_text=_(spec.help) if spec.help else "",
                widget=forms.TextInput(
                    attrs={"class": "vTextField", "autocomplete": "off", "data-of": cls.name}
                ),
            )
    return type("CredentialForm", (CredentialForm,), extra)
