"""The header fields that both sides know from the start (RFC 7541, appendix A)."""

Field = tuple[bytes, bytes]

_TEXT = b"""\
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate"""


def _read(line: bytes) -> Field:
    name, _, value = line.partition(b" ")
    return name, value


STATIC_TABLE: tuple[Field, ...] = tuple(map(_read, _TEXT.splitlines()))
"""The first of them has the index 1."""

FIRST_DYNAMIC = len(STATIC_TABLE) + 1
"""The index of the newest field of the dynamic table."""

ENTRY_OVERHEAD = 32
"""Bytes that each field counts beyond its name and value (RFC 7541, 4.1)."""

DEFAULT_TABLE_SIZE = 4_096
"""SETTINGS_HEADER_TABLE_SIZE before anybody changes it (RFC 9113, 6.5.2)."""
