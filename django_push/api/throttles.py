"""How often the public may knock. Rates are settings of ``DJANGO_PUSH``, not the host's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from ..conf import push_settings

if TYPE_CHECKING:
    from rest_framework.views import APIView

__all__ = ["FailedLoginThrottle", "PublicThrottle", "RegisterThrottle"]


class _Throttle(SimpleRateThrottle):
    setting: ClassVar[str]
    """Name of the rate in ``DJANGO_PUSH``, such as ``600/min``; ``None`` there: no limit."""

    num_requests: int
    duration: int
    """Seconds."""

    def get_rate(self) -> str | None:
        rate: str | None = getattr(push_settings, self.setting)
        return rate

    def get_ident(self, request: Request | HttpRequest) -> str:
        """The caller's network address.

        REST framework takes ``X-Forwarded-For`` as it comes while ``NUM_PROXIES`` is not set:
        whoever writes another one into each request would never be throttled, and could use up
        somebody else's tries.
        """
        if api_settings.NUM_PROXIES is None:
            return request.META.get("REMOTE_ADDR") or ""
        # It reads META only, which a request of Django's has too.
        return super().get_ident(request) or ""  # type: ignore[arg-type]

    def allow_request(self, request: Request, view: APIView) -> bool:
        key = self.get_cache_key(request, view)
        return key is None or self.allows(key)

    def allows(self, key: str) -> bool:
        """Count one more request under ``key``; whether it is within the rate.

        A counter that ends with its time, begun by the first request. REST framework keeps the
        time of each request in a list, which 600 a minute make five kilobytes to read and write.
        """
        if self.rate is None:
            return True
        self._counter = key
        try:
            return self.cache.incr(key) <= self.num_requests
        except ValueError:  # nobody came lately
            self.cache.set(f"{key}:since", self.timer(), self.duration)
            self.cache.add(key, 0, self.duration)
        try:
            return self.cache.incr(key) <= self.num_requests
        except ValueError:  # a cache that keeps nothing
            return True

    def wait(self) -> float:
        """Seconds until the counter ends."""
        since = self.cache.get(f"{self._counter}:since") or self.timer()
        return float(self.duration - (self.timer() - since))

    def key_for(self, request: Request | HttpRequest, who: str = "") -> str:
        """One counter per caller and network address."""
        return f"django_push:{type(self).__name__}:{who}:{self.get_ident(request)}"


class RegisterThrottle(_Throttle):
    """Per client key or user, and address. A server key moves millions of devices: no limit."""

    setting = "THROTTLE_REGISTER"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        caller = getattr(view, "caller", None)
        who = caller.throttle_ident() if caller is not None else "nobody"
        return None if who is None else self.key_for(request, who)


class PublicThrottle(_Throttle):
    """What anybody may fetch: the OpenAPI document and its page."""

    setting = "THROTTLE_PUBLIC"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return self.key_for(request)


class FailedLoginThrottle(_Throttle):
    """Counts credentials that were refused, per address."""

    setting = "THROTTLE_FAILED_LOGIN"

    def check(self, request: Request) -> None:
        """Raises ``Throttled`` (429) when this address failed too often."""
        if self.rate is None:
            return
        failures = self._failures(request)
        if len(failures) >= self.num_requests:
            raise Throttled(wait=self.duration - (self.timer() - failures[-1]))

    def count(self, request: Request) -> None:
        """Remember one more failure."""
        if self.rate is not None:
            failures = [self.timer(), *self._failures(request)][: self.num_requests]
            self.cache.set(self.key_for(request), failures, self.duration)

    def _failures(self, request: Request) -> list[float]:
        since = self.timer() - self.duration
        return [at for at in self.cache.get(self.key_for(request), []) if at > since]
