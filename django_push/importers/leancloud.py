"""LeanCloud: its class ``_Installation``, as its console exports it.

Data exports are lines of JSON, ``_Installation.0.jsonl``, whose first line names the class; backup
exports are BSON, ``_Installation.….bson.gz``. https://docs.leancloud.app/sdk/announcements/sunset-export
"""

from __future__ import annotations

from collections.abc import Mapping

from .parse import Documents, ParseServer
from .rows import Row

__all__ = ["LeanCloud"]

VENDORS: Mapping[str, str] = {"hms": "hms", "huawei": "hms", "fcm": "fcm"}
"""Networks of phone makers, by the beginning of ``vendor``, that are ours too. Others keep their
name (``mi``, ``oppo``): nothing can be sent to them until a provider of that network exists."""


class LeanCloudDocuments(Documents):
    """What LeanCloud's rows have and Parse Server's have not."""

    def row(self, place: str, document: Mapping[str, object]) -> Row:
        """See :meth:`.Documents.row`. The topic of APNs is the app's bundle id."""
        rest = dict(document)
        if (topic := rest.pop("apnsTopic", None)) and not rest.get("appIdentifier"):
            rest["appIdentifier"] = topic
        return super().row(place, rest)

    def _address(self, device_type: str) -> tuple[str, str]:
        """Its own channel has no address: Android phones hold a connection to LeanCloud, and only
        those with a maker's or Google's push have a ``registrationId``."""
        vendor = str(self._rest.get("vendor") or "").lower()
        token = self._rest.pop("registrationId", None) or ""
        if device_type == "android" and vendor and token:
            name = vendor.partition("-")[0]
            provider = VENDORS.get(name, name)[:32]
            return provider, self.networks.checked(provider, token)
        if device_type == "windows":
            uri = self._rest.pop("subscriptionUri", None) or ""
            return "wns", self.networks.checked("wns", uri) if uri else ""
        return super()._address(device_type)


class LeanCloud(ParseServer):
    """Files of LeanCloud's export."""

    name = "leancloud"
    reads = LeanCloudDocuments
