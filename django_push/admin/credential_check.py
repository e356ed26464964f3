"""*Check now*: the provider is asked whether it takes a credential, and the answer is kept."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.utils import timezone
from django.utils.translation import gettext as _

from ..delivery.breaker import recover
from ..exceptions import InvalidCredential, LockedSecret
from ..models import Credential
from ..providers.base import get_provider_class
from ..providers.checking import Checked, Verdict, check
from ..reasons import explain
from .words import provider_name

__all__ = ["LEVELS", "TONES", "check_now"]

TONES = {Verdict.ACCEPTED: "ok", Verdict.REFUSED: "bad", Verdict.UNKNOWN: "warn"}
LEVELS = {
    Verdict.ACCEPTED: messages.SUCCESS,
    Verdict.REFUSED: messages.ERROR,
    Verdict.UNKNOWN: messages.WARNING,
}


def check_now(credential: Credential) -> tuple[Verdict, str]:
    """Ask, keep what was learnt, and say it in words. Nothing is learnt when nobody answered."""
    found = _ask(credential)
    if found.verdict is not Verdict.UNKNOWN:
        credential.check_result = Credential.Check(found.verdict.value)
        credential.check_detail = found.detail
        credential.checked_at = timezone.now()
        credential.save(update_fields=["check_result", "check_detail", "checked_at"])
    if found.verdict is Verdict.ACCEPTED:
        recover(credential)
    return found.verdict, _in_words(credential, found)


def _ask(credential: Credential) -> Checked:
    try:
        provider: Any = get_provider_class(credential.provider)(credential.account())
        found = check(provider)
    except LockedSecret:
        text = _("no key of this server opens the stored secret: upload the file again")
        return Checked(Verdict.UNKNOWN, text)
    except InvalidCredential as error:
        return Checked(Verdict.REFUSED, error.message)
    return found or Checked(Verdict.UNKNOWN, _("this provider has nobody to ask"))


def _in_words(credential: Credential, found: Checked) -> str:
    words = {"name": provider_name(credential.provider), "detail": found.detail.rstrip(".")}
    if found.verdict is Verdict.ACCEPTED:
        return _("%(name)s takes this credential. No device got anything.") % words
    if found.verdict is Verdict.UNKNOWN:
        return _("It could not be checked: %(detail)s. What is known of it stays.") % words
    cure = explain(credential.provider, "unauthorized", found.detail.partition(" ")[0]).cure
    return f"{_('%(name)s refuses this credential: %(detail)s.') % words} {cure}".strip()
