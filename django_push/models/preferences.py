"""Preferences: what a person, or a device, wants no pushes about.

What a push is about is its *purpose*: offers, news, order updates. (Other products call it a
category or a topic. Both words are taken: ``category`` is Apple's name for a set of buttons, a
topic is Firebase's channel and Apple's bundle id.) An application declares its purposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.validators import RegexValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidPreference
from .application import Application
from .fields import ExactCharField
from .installation import Installation

__all__ = ["Purpose", "PurposeChoice", "Stance", "Whose"]

KEY = RegexValidator(
    r"^[a-z0-9][a-z0-9_.-]*\Z",
    gettext_lazy("Write small letters, digits, “.”, “_” and “-”, such as order-updates."),
)


class Purpose(models.Model):
    """What some of an application's pushes are about, in a word that its users understand."""

    application = models.ForeignKey(
        Application,
        verbose_name=gettext_lazy("application"),
        on_delete=models.CASCADE,
        related_name="purposes",
    )
    key = ExactCharField(
        gettext_lazy("key"),
        max_length=64,
        validators=[KEY],
        help_text=gettext_lazy("How apps and servers name it, such as offers."),
    )
    name = models.CharField(
        gettext_lazy("name"),
        max_length=191,
        help_text=gettext_lazy("How people read it in your app's settings."),
    )
    transactional = models.BooleanField(
        gettext_lazy("transactional"),
        default=False,
        help_text=gettext_lazy(
            "People cannot switch it off, and it does not wait for quiet hours to end: one-time "
            "codes, a taxi that is here."
        ),
    )
    default_on = models.BooleanField(
        gettext_lazy("on by default"),
        default=True,
        help_text=gettext_lazy("Off: only those get it who have said yes."),
    )

    class Meta:
        verbose_name = gettext_lazy("purpose")
        verbose_name_plural = gettext_lazy("purposes")
        ordering = ("application", "key")
        constraints = [
            models.UniqueConstraint(fields=["application", "key"], name="django_push_purpose_once")
        ]

    def __str__(self) -> str:
        return self.name or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose preferences: a device's own, or a user's, which hold on all of the user's devices."""

    application: Application
    installation: Installation | None = None
    user_key: str = ""
    tells_user: bool = True
    """Whether what the user of ``installation`` chose may be told, too."""

    @property
    def holder(self) -> Whose | None:
        """The user whose choices count beside those of a device, if they may be told."""
        device = self.installation
        if device is None or not device.user_key or not self.tells_user:
            return None
        return Whose(application=self.application, user_key=device.user_key)

    @property
    def columns(self) -> dict[str, Any]:
        """What the rows of these preferences have in common."""
        if self.installation is not None:
            return {"installation": self.installation}
        if not self.user_key or len(self.user_key) > 191 or "\x00" in self.user_key:
            raise InvalidPreference(
                _("A user id is a text of 1 to 191 characters."), code="wrong_value", field="user"
            )
        return {"user_key": self.user_key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """How a device, or a user, stands to one purpose."""

    purpose: Purpose
    chosen: bool | None
    """The own choice; ``None``: none was made."""
    user: bool | None = None
    """Of a device: what its user has chosen."""

    @property
    def gets(self) -> bool:
        """Whether its pushes come: a no beats a yes, and a yes beats the default."""
        said = {self.chosen, self.user}
        if self.purpose.transactional:
            return True
        return False not in said and (True in said or self.purpose.default_on)


class PurposeChoiceManager(models.Manager["PurposeChoice"]):
    def of(self, whose: Whose) -> dict[str, bool]:
        """What was chosen, by the key of the purpose."""
        rows = self.filter(purpose__application=whose.application, **whose.columns)
        return dict(rows.values_list("purpose__key", "wanted"))

    def stances(self, whose: Whose) -> list[Stance]:
        """How a device or a user stands to each purpose of the application, by key."""
        own, user = self.of(whose), self.of(whose.holder) if whose.holder else {}
        return [
            Stance(purpose=purpose, chosen=own.get(purpose.key), user=user.get(purpose.key))
            for purpose in Purpose.objects.filter(application=whose.application).order_by("key")
        ]

    def choose(self, whose: Whose, wishes: Mapping[str, bool | None]) -> None:
        """Say yes (``True``) or no (``False``) to purposes, or take back what was said (``None``).

        Purposes that are not named stay as they are. Raises
        :class:`~django_push.exceptions.InvalidPreference`, and changes nothing then, for a purpose
        that the application has not declared, and for a no to one that is transactional.
        """
        purposes = self._named(whose.application, wishes)
        with transaction.atomic(using=self.db):
            for key, wanted in wishes.items():
                self._choose(purposes[key], whose.columns, wanted)

    def _named(
        self, application: Application, wishes: Mapping[str, bool | None]
    ) -> dict[str, Purpose]:
        declared = {row.key: row for row in Purpose.objects.filter(application=application)}
        for key, wanted in wishes.items():
            if key not in declared:
                raise _unknown(key, declared)
            if wanted is False and declared[key].transactional:
                raise InvalidPreference(
                    _("“%(key)s” is transactional: it cannot be switched off.") % {"key": key},
                    code="transactional",
                    field=f"purposes.{key}",
                )
        return declared

    def _choose(self, purpose: Purpose, columns: Mapping[str, Any], wanted: bool | None) -> None:
        mine = self.filter(purpose=purpose, **columns)
        if wanted is None:
            mine.delete()
            return
        said = {"wanted": wanted, "changed_at": timezone.now()}
        if mine.update(**said):
            return
        with suppress(IntegrityError), transaction.atomic(using=self.db):
            self.create(purpose=purpose, **columns, **said)
            return
        mine.update(**said)  # somebody said something in this very moment: the last word counts


def _unknown(key: str, declared: Mapping[str, Purpose]) -> InvalidPreference:
    text = _("This application has no purpose “%(key)s”. It has: %(known)s.")
    words = {"key": key[:64], "known": ", ".join(sorted(declared)) or _("none")}
    return InvalidPreference(text % words, code="unknown_purpose", field=f"purposes.{key[:64]}")


class PurposeChoice(models.Model):
    """A yes or a no to a purpose: of a device, or of a user (then on all of the user's devices).

    A no beats a yes, and a yes beats the purpose's default. Exactly one of ``installation`` and
    ``user_key`` is set.
    """

    purpose = models.ForeignKey(
        Purpose,
        verbose_name=gettext_lazy("purpose"),
        on_delete=models.CASCADE,
        related_name="choices",
    )
    installation = models.ForeignKey(
        Installation,
        verbose_name=gettext_lazy("device"),
        null=True,
        on_delete=models.CASCADE,
        related_name="purpose_choices",
    )
    user_key = ExactCharField(gettext_lazy("user id"), null=True)
    wanted = models.BooleanField(gettext_lazy("wanted"))
    changed_at = models.DateTimeField(gettext_lazy("changed"), default=timezone.now)

    objects = PurposeChoiceManager()

    class Meta:
        verbose_name = gettext_lazy("choice of a purpose")
        verbose_name_plural = gettext_lazy("choices of purposes")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "installation"], name="django_push_choice_device"
            ),
            models.UniqueConstraint(fields=["purpose", "user_key"], name="django_push_choice_user"),
        ]
        indexes = [models.Index(fields=["user_key"], name="django_push_choice_whose")]

    def __str__(self) -> str:
        return f"{self.purpose} {'+' if self.wanted else '-'}"
