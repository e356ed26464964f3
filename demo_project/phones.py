"""``/phones/``: what the simulated phones show, fed from the simulator's control port."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_push.models import Installation

from .seeding.phones import CHANNEL

SHOWN = 24
"""Phones on the page at most."""
REMEMBERED = 3
"""Notifications per phone that somebody finds who opens the page later."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The phones, dark until something arrives."""
    phones = [
        {
            "id": phone.public_id,
            "name": phone.attributes.get("name") or phone.public_id[:8],
            "model": phone.attributes.get("model") or phone.device_type,
            "is_apple": phone.provider == "apns",
            "locale": phone.locale,
            "time_zone": phone.time_zone,
            "place": phone.time_zone.rpartition("/")[2].replace("_", " "),
            "is_active": phone.is_active,
        }
        for phone in _phones()
    ]
    redirect = settings.DJANGO_PUSH.get("REDIRECT_TO")
    response = render(request, "phones/page.html", {"phones": phones, "redirect": redirect})
    response["Content-Security-Policy"] = POLICY
    return response


@require_safe
@never_cache
def feed(request: HttpRequest) -> HttpResponse:
    """What arrived after ``?since=<n>``; without it, the last few per phone.

    ``{"last": n, "arrivals": [{"phone", "n", "title", "subtitle", "body", "image", "badge"}]}``,
    oldest first.
    """
    since = request.GET.get("since", "")
    if since and not since.isdecimal():
        return JsonResponse({"error": "since must be a whole number from 0."}, status=400)
    try:
        deliveries, last = _deliveries(int(since or 0))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return JsonResponse(
            {"error": f"The simulator does not answer ({type(error).__name__})."}, status=502
        )
    arrivals = list(_arrivals(deliveries))
    if not since:
        arrivals = _latest(arrivals)
    return JsonResponse({"last": last, "arrivals": arrivals})


def _phones() -> list[Installation]:
    found = Installation.objects.filter(subscriptions__channel=CHANNEL, application__key="demo")
    return list(found.order_by("pk")[:SHOWN])


def _deliveries(since: int) -> tuple[list[dict[str, Any]], int]:
    """Deliveries after ``since``, and the number of the last one.

    A number from before the simulator's last start is none of its own: then all count as new.
    """
    last = int(_ask("/status")["last"])
    if since == last:
        return [], last
    deliveries = _ask(f"/deliveries?{urlencode({'since': since if since <= last else 0})}")
    return deliveries, int(deliveries[-1]["n"]) if deliveries else last


def _ask(path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", settings.SIMULATOR_CONTROL_PORT, timeout=5)
    try:
        connection.request("GET", path)
        return orjson.loads(connection.getresponse().read())
    finally:
        connection.close()


def _arrivals(deliveries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    phones = {phone.address: phone.public_id for phone in _phones()}
    for delivery in deliveries:
        phone = phones.get(delivery["token"])
        if phone is not None and delivery["outcome"] == "sent":
            read = _apple if delivery["provider"] == "apns" else _android
            yield {"phone": phone, "n": delivery["n"], **read(delivery["payload"])}


def _apple(payload: dict[str, Any]) -> dict[str, Any]:
    aps = payload.get("aps", {})
    alert = aps.get("alert", {})
    if isinstance(alert, str):
        alert = {"body": alert}
    return {
        "title": alert.get("title", ""),
        "subtitle": alert.get("subtitle", ""),
        "body": alert.get("body", ""),
        "image": payload.get("image", ""),
        "badge": aps.get("badge"),
    }


def _android(payload: dict[str, Any]) -> dict[str, Any]:
    message = payload.get("message", payload)
    general = message.get("notification", {})
    own = message.get("android", {}).get("notification", {})
    return {
        "title": own.get("title") or general.get("title", ""),
        "subtitle": "",
        "body": own.get("body") or general.get("body", ""),
        "image": own.get("image") or general.get("image", ""),
        "badge": own.get("notification_count"),
    }


def _latest(arrivals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    kept = []
    for arrival in reversed(arrivals):
        counts[arrival["phone"]] = counts.get(arrival["phone"], 0) + 1
        if counts[arrival["phone"]] <= REMEMBERED:
            kept.append(arrival)
    return kept[::-1]
