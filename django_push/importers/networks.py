"""Addresses as the networks write them: checked, and in the form in which they are kept."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from ..exceptions import InvalidRegistration
from ..providers.base import known_providers

__all__ = ["Networks"]

LONGEST = 4096


class Networks:
    """The networks that this project's providers serve, looked up once for many addresses."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[str], str]] = {}
        for cls in known_providers().values():
            self._checks.setdefault(cls.network, cls.check_address)

    def checked(self, network: str, address: object) -> str:
        """The address as registration would store it.

        Raises :class:`~django_push.exceptions.InvalidRegistration`.
        """
        if not isinstance(address, str) or not 1 <= len(address) <= LONGEST or "\x00" in address:
            raise InvalidRegistration(
                _("The device token must be a text of 1 to 4,096 characters."),
                code="invalid_token",
                field="address",
            )
        check = self._checks.get(network)
        return check(address) if check else address
