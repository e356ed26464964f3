"""The strictest policy that a host project may have: everything from its own address only."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'"


def strict_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: the browser refuses every inline script, style and handler."""

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        answer["Content-Security-Policy"] = POLICY
        return answer

    return middleware
