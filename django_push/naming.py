"""What networks, providers and moments are called when people read of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext_lazy

from .providers.base import known_providers

__all__ = ["moment", "network_name", "provider_name"]

_NETWORKS: Mapping[str, Any] = {
    "apns": gettext_lazy("Apple"),
    "fcm": gettext_lazy("Google"),
    "webpush": gettext_lazy("Web Push"),
    "wns": gettext_lazy("Windows"),
    "hms": gettext_lazy("Huawei"),
    "realtime": gettext_lazy("Live connection"),
}


def network_name(network: str) -> str:
    """``apns`` as people say it."""
    return str(_NETWORKS.get(network, network))


def provider_name(name: str) -> str:
    """A provider's own name for people; the key itself when it is not configured any more."""
    found = known_providers().get(name)
    return found.verbose_name if found else network_name(name)


def moment(value: datetime | None) -> str:
    """A moment near now by its clock, any other with its date."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    clock = formats.time_format(local, "H:i:s" if local.second else "H:i")
    if local.date() == timezone.localdate():
        return clock
    return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {formats.time_format(local, 'H:i')}"
