"""Fuzzing of the HTTP/2 client, guided by coverage; not part of `make test`.

    python3 -m venv .venv-fuzz   # atheris needs a Python that it has a wheel for
    .venv-fuzz/bin/pip install atheris hpack
    .venv-fuzz/bin/python -m tests.fuzz.http2 decoder
    .venv-fuzz/bin/python -m tests.fuzz.http2 receiver

Each runs for a minute, or as the options of libFuzzer say that follow: `-max_total_time=3600`,
`-runs=100000`, a directory in which to collect inputs. `decoder` holds our header decoder against
`hpack`; `receiver` has a peer say anything in any order to a codec (see `hostile.Ordeal`). What
fails is written to a file `crash-...`, whose name as the only option runs it again.
"""

import struct
import sys

import atheris

with atheris.instrument_imports(include=["django_push.http2"]):
    import hpack

    from django_push.http2.decoder import Decoder
    from tests.unit.http2.hostile import (
        CONT,
        DATA,
        GOAWAY,
        HEADERS,
        PING,
        RST,
        SETTINGS,
        WINDOW,
        Ordeal,
        raw,
        same_meaning,
    )

SECONDS = 60
KINDS = [HEADERS, DATA, HEADERS, CONT, RST, SETTINGS, WINDOW, GOAWAY, PING]


def decoder(data: bytes) -> None:
    """Some header blocks of one connection."""
    provider = atheris.FuzzedDataProvider(data)
    ours, reference = Decoder(), hpack.Decoder(max_header_list_size=65_536)
    while provider.remaining_bytes():
        block = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 100))
        if not same_meaning(ours, reference, block):
            return


def receiver(data: bytes) -> None:
    """A conversation."""
    provider = atheris.FuzzedDataProvider(data)
    ordeal = Ordeal(confirmed=provider.ConsumeBool(), cut=provider.ConsumeIntInRange(1, 200))
    ordeal.send(8, b"{}")
    while provider.remaining_bytes():
        step = provider.ConsumeIntInRange(0, 15)
        if step == 0:
            ordeal.send(provider.ConsumeIntInRange(1, 4), b"x" * provider.ConsumeIntInRange(0, 99))
        elif step == 1:
            ordeal.lose_patience(provider.ConsumeIntInRange(0, 40))
        elif step == 2:
            ordeal.hear(provider.ConsumeBytes(provider.ConsumeIntInRange(0, 40)))
        else:
            ordeal.hear(_frame(provider))
    ordeal.end()


def _frame(provider: atheris.FuzzedDataProvider) -> bytes:
    kind = provider.PickValueInList(KINDS)
    number = 0 if kind in (SETTINGS, PING, GOAWAY) else 2 * provider.ConsumeIntInRange(0, 20) + 1
    flags = provider.ConsumeIntInRange(0, 255)
    if kind in (RST, WINDOW):
        payload = struct.pack(">I", provider.ConsumeIntInRange(0, 2**32 - 1))
    elif kind == SETTINGS:
        pairs = provider.ConsumeIntListInRange(4, 0, 2**31)
        payload = b"".join(struct.pack(">HI", pair & 7, pair >> 3) for pair in pairs)
    else:
        payload = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 60))
    return raw(kind, number, payload, flags)


def main() -> None:
    """Fuzz the target that the command line names, until the time is up or something breaks."""
    targets = {"decoder": decoder, "receiver": receiver}
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.exit(
            f"{__doc__}\nusage: python -m tests.fuzz.http2 {{{','.join(targets)}}} [option ...]"
        )
    program, name, *options = sys.argv
    atheris.Setup([program, *(options or [f"-max_total_time={SECONDS}"])], targets[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
