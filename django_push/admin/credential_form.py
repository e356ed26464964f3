"""The form in which staff upload a provider's file and type what it does not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidCredential, LockedSecret
from ..models import Credential
from ..providers.base import CredentialFile, Field, Provider, get_provider_class, known_providers

__all__ = ["MAX_FILE", "CredentialForm", "field_key", "typed_fields"]

MAX_FILE = 64 * 1024
"""Bytes. No key or certificate is near it."""


def accounts() -> dict[str, type[Provider[Any]]]:
    """The providers that need an account, by name."""
    return {name: cls for name, cls in known_providers().items() if cls.needs_account}


def field_key(provider: str, name: str) -> str:
    return f"{provider}-{name}"


def typed_fields() -> Iterator[tuple[str, Field, type[Provider[Any]]]]:
    """Every field of every provider, with its name in the form."""
    for provider, cls in accounts().items():
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
            choices = [(name, cls.verbose_name) for name, cls in accounts().items()]
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
        mine = [cls for name, cls in accounts().items() if self.instance.provider in ("", name)]
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
        if uploaded is not None and uploaded.size > MAX_FILE:
            raise forms.ValidationError(_("This file has more than 64 kB: it is no credential."))
        return uploaded

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            self._take()

    def _take(self) -> None:
        """Let the provider read the file, and look at everything together."""
        instance = self.instance
        provider = get_provider_class(instance.provider)
        try:
            found = self._read(provider)
            if found is not None:
                typed = {spec.name for spec in provider.fields}
                instance.public = {k: v for k, v in instance.public.items() if k in typed}
                instance.take_file(found)
            self._take_typed(provider)
            provider.validate_account(instance.account())
        except InvalidCredential as error:
            self.add_error(self._place(provider, error.field), error.message)
        except LockedSecret:
            self.add_error(
                "file", _("No key of this server opens the stored secret: upload the file again.")
            )

    def _read(self, provider: type[Provider[Any]]) -> CredentialFile | None:
        uploaded = self.cleaned_data.get("file")
        if uploaded is None:
            return None
        found = provider.read_file(
            uploaded.name, uploaded.read(), self.cleaned_data.get("password", "")
        )
        _check_storable(found)
        return found

    def _take_typed(self, provider: type[Provider[Any]]) -> None:
        """What was typed now wins over the file; what stood in the form already does not, or the
        id of the former key would come with the new one."""
        instance = self.instance
        public = dict(instance.public)
        for spec in provider.fields:
            name = field_key(provider.name, spec.name)
            if name not in self.changed_data:
                continue
            value = str(self.cleaned_data.get(name) or "").strip()
            if spec.name == "topic":
                instance.topic = value
            else:
                public[spec.name] = value
        instance.public = public

    def _place(self, provider: type[Provider[Any]], field: str) -> str | None:
        """The form's field for the one that a provider names."""
        for name in (field_key(provider.name, field), field, "file"):
            if name in self.fields:
                return name
        return None


def _check_storable(found: CredentialFile) -> None:
    """What a crafted file says of itself may not fit into a column."""
    longest = Credential._meta.get_field("topic").max_length or 0
    if len(found.topic) > longest or b"\\u0000" in orjson.dumps([found.topic, found.public]):
        raise InvalidCredential(
            _("The names in this file are damaged. Download or export it again."), code="damaged"
        )


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
