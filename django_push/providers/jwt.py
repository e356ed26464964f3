"""Signed tokens in compact form (RFC 7515): fifteen lines do not need a library."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson

__all__ = ["encode"]


def encode(
    header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[bytes], bytes]
) -> str:
    """``header.claims.signature``; ``sign`` makes the signature of the first two parts."""
    content = _part(orjson.dumps(header)) + b"." + _part(orjson.dumps(claims))
    return (content + b"." + _part(sign(content))).decode()


def _part(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
