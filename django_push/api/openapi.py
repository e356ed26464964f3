"""The OpenAPI document: of our views only, whatever else the host project has."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal, TypeVar

from django.urls import get_script_prefix
from django.utils.translation import get_language
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import extend_schema

__all__ = ["PushAutoSchema", "document", "documented"]

F = TypeVar("F", bound=Callable[..., Any])

_SECURITY = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A client or server key of the application.",
    },
    "keyAsPassword": {
        "type": "http",
        "scheme": "basic",
        "description": "The application's key as name, a client or server key as password; "
        "or the name and password of a user, where the project accepts them.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A signed-in user. Unsafe methods need Django's X-CSRFToken header.",
    },
}

_ERROR = {
    "type": "object",
    "description": "Why nothing was done.",
    "required": ["code", "message", "field"],
    "properties": {
        "code": {"type": "string", "description": "For programs; stays the same."},
        "message": {"type": "string", "description": "For people: what to do."},
        "field": {
            "type": "string",
            "description": "Dotted path of the field that is meant; empty: the whole request.",
        },
    },
    "example": {
        "code": "unknown_platform",
        "message": "Unknown platform 'symbian'. Known are: ios, android, web.",
        "field": "platform",
    },
}

_REFUSALS = {
    "400": "The request cannot be used as it is.",
    "401": "No valid credentials.",
    "403": "Credentials that do not allow this.",
    "404": "No such thing among what these credentials reach.",
    "405": "Not with this method.",
    "409": "It is past the state in which this can be done, or the idempotency key is taken.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "429": "Too many requests; see Retry-After.",
}
_WITH_BODY_ONLY = {"409", "413", "415"}


class PushAutoSchema(AutoSchema):
    """Adds what is true of every operation: the credentials and the refusals."""

    def get_operation_id(self) -> str:
        """``installation_list``: the same wherever the API is mounted."""
        basename, action = getattr(self.view, "basename", ""), getattr(self.view, "action", "")
        return f"{basename}_{action}" if basename and action else str(super().get_operation_id())

    def get_auth(self) -> list[dict[str, list[str]]]:
        if not self.view.permission_classes:
            return [{}]
        for name, definition in _SECURITY.items():
            self._register(name, ResolvedComponent.SECURITY_SCHEMA, definition)
        return [{name: []} for name in _SECURITY]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        self._register("Error", ResolvedComponent.SCHEMA, _ERROR)
        for code, meaning in _REFUSALS.items():
            if self.method != "GET" or code not in _WITH_BODY_ONLY:
                bodies.setdefault(code, _refusal(meaning))
        return bodies

    def _register(self, name: str, kind: str, schema: dict[str, Any]) -> None:
        self.registry.register_on_missing(
            ResolvedComponent(  # type: ignore[no-untyped-call]
                name=name, type=kind, object=name, schema=schema
            )
        )


def _refusal(meaning: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": meaning, "content": content}


def documented(**said: Any) -> Callable[[F], F]:
    """``extend_schema`` on :class:`PushAutoSchema`, whatever ``DEFAULT_SCHEMA_CLASS`` is.

    Without this it builds on the host's class, which may not be drf-spectacular's.
    """

    def decorate(target: F) -> F:
        if not inspect.isclass(target):
            kwargs = getattr(target, "kwargs", {})
            kwargs.setdefault("schema", PushAutoSchema)
            target.kwargs = kwargs  # type: ignore[attr-defined]
        return extend_schema(**said)(target)

    return decorate


class _OurEndpoints(EndpointEnumerator):
    def should_include_endpoint(self, path: str, callback: Any) -> bool:
        ours = getattr(callback, "cls", object).__module__.startswith(f"{__package__}.")
        return ours and super().should_include_endpoint(path, callback)


class _Generator(SchemaGenerator):
    endpoint_inspector_cls = _OurEndpoints


def document() -> dict[str, Any]:
    """The document, with the addresses at which the API is mounted."""
    return _document(get_script_prefix(), get_language() or "")


@lru_cache(maxsize=16)
def _document(prefix: str, language: str) -> dict[str, Any]:
    """Made once per place and language: it takes a good part of a second."""
    generator = _Generator()  # type: ignore[no-untyped-call]
    made: dict[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    made["info"] = {
        "title": "django_push",
        "version": version("django-push-console"),
        "description": "Registers devices, sends pushes, and tells how they went.",
    }
    return made
