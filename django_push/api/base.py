"""What all our views share, so that no setting of the host's ``REST_FRAMEWORK`` bends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.utils.functional import cached_property
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, NotFound
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from ..models import Application
from .authentication import KeyAuthentication, LoginGuard
from .callers import Caller, Need, caller_of
from .errors import exception_handler
from .openapi import PushAutoSchema
from .parsers import PushJSONParser
from .throttles import FailedLoginThrottle

__all__ = ["IsKnown", "MayManage", "NotFoundView", "PushView"]


class JsonOnly(BaseContentNegotiation):
    """JSON whatever is accepted: an error page helps no program."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class IsKnown(BasePermission):
    """Anybody who proved who they are."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.caller is None:
            raise NotAuthenticated
        return True


class MayManage(IsKnown):
    """Server keys, and staff with the permission and the role that ``view.need`` names."""

    def has_permission(self, request: Request, view: Any) -> bool:
        super().has_permission(request, view)
        if view.need is not None:
            view.caller.check(view.need)
        return True


class PushView(APIView):
    """JSON in, JSON out; keys and the host's users; errors of :mod:`.errors`."""

    renderer_classes = [JSONRenderer]
    parser_classes = [PushJSONParser]
    content_negotiation_class = JsonOnly
    throttle_classes: Sequence[type[BaseThrottle]] = []
    permission_classes: Sequence[Any] = [MayManage]
    versioning_class = None
    metadata_class = None
    schema = PushAutoSchema()

    body_limit: ClassVar[int] = 1_048_576
    """Bytes of a request's body."""
    needs: ClassVar[Mapping[str, Need]] = {}
    """What staff need, by action."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        host: Sequence[type[BaseAuthentication]] = api_settings.DEFAULT_AUTHENTICATION_CLASSES  # type: ignore[assignment]
        return [KeyAuthentication(), LoginGuard(), *(cls() for cls in host)]

    def get_exception_handler(self) -> Callable[[Exception, Mapping[str, Any]], Response | None]:
        return exception_handler

    def perform_authentication(self, request: Request) -> None:
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            FailedLoginThrottle().count(request)
            raise
        if self.caller is None and "authorization" in request.headers:
            FailedLoginThrottle().count(request)

    @cached_property
    def caller(self) -> Caller | None:
        """Who calls; ``None`` for nobody we know."""
        return caller_of(self.request)

    @property
    def need(self) -> Need | None:
        return self.needs.get(getattr(self, "action", None) or "")

    def check_role(self, application: Application) -> None:
        """Raises ``PermissionDenied`` when the caller's role there is too low for this action."""
        if self.need is not None:
            self.known_caller.check_role(application, self.need)

    @property
    def known_caller(self) -> Caller:
        """The caller, in views that only known callers reach."""
        if self.caller is None:
            raise NotAuthenticated
        return self.caller


class NotFoundView(PushView):
    """What stands at no address of ours, in the words of the API."""

    permission_classes: Sequence[Any] = []

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.http_method_names = [str(request.method).lower()]
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound
