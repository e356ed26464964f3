"""Rendering: one prepared payload per language and badge, however many devices share it."""

from __future__ import annotations

from typing import Any

from ..messages import Envelope, Message
from ..models import PushHistory
from ..providers.base import Provider

__all__ = ["Renderer"]

MOST = 4096
"""Prepared payloads kept: badges of a large audience are few numbers, mostly."""


class Renderer:
    """The payloads of one push for one provider account."""

    def __init__(
        self, history: PushHistory, provider: Provider[Any], expires_at: int | None
    ) -> None:
        self._provider = provider
        self._message: Message = history.message
        self._push_id = str(history.public_id)
        self._expires_at = expires_at
        self._prepared: dict[tuple[str, int | None], Any] = {}
        self.by_locale = bool(self._message.texts)
        self.by_badge = bool(self._message.badge_increment)

    @property
    def columns(self) -> tuple[str, ...]:
        """What must be read of each device."""
        extra = (("locale",) if self.by_locale else ()) + (("badge",) if self.by_badge else ())
        return ("pk", "address", *extra)

    def groups(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, list[tuple[Any, ...]]]]:
        """``rows`` of :attr:`columns`, grouped by the payload that they get."""
        if not (self.by_locale or self.by_badge):
            return [(self._prepare("", None), rows)]
        grouped: dict[tuple[str, int | None], list[tuple[Any, ...]]] = {}
        for row in rows:
            language = self._message.language_for(row[2]) if self.by_locale else ""
            badge = row[-1] if self.by_badge else None
            grouped.setdefault((language, badge), []).append(row)
        return [(self._prepare(*variant), some) for variant, some in grouped.items()]

    def _prepare(self, language: str, badge: int | None) -> Any:
        variant = (language, badge)
        if variant not in self._prepared:
            if len(self._prepared) >= MOST:
                self._prepared.clear()
            message = self._message.in_language(language)
            self._prepared[variant] = self._provider.prepare(
                Envelope(
                    message=message.with_badge(badge) if badge is not None else message,
                    push_id=self._push_id,
                    expires_at=self._expires_at,
                )
            )
        return self._prepared[variant]
