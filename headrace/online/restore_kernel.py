"""RESTORE commands of hashes as bytes, written for numba: one pass over the texts of all fields.

The layouts are those of Redis: listpack.md (entries and their lengths behind them) in an RDB string of type
HASH_LISTPACK, with version and checksum behind it as DUMP writes them (rdb.c, crc64.c). Plain loops over arrays, in
numba's part of Python; too slow to be called uncompiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.native import Native

HASH_LISTPACK = 16
RDB_VERSION = 10
"""Redis 7.0, the first that knows the type."""

_POLYNOMIAL = 0x95AC9329AC4BC9B5  # Jones's, reflected
_RESTORE = b"*5\r\n$7\r\nRESTORE\r\n$"
_DEL = b"*2\r\n$3\r\nDEL\r\n$"
_REPLACE = b"\r\n$7\r\nREPLACE\r\n"
_DAY = 86_400_000_000
_BACK = (128, 16_383, 2_097_151, 268_435_455)
"""Entries from so many bytes on need a byte more to say their length behind them (listpack.c, lpEncodeBacklenBytes)."""


def _tables() -> np.ndarray[Any, np.dtype[np.uint64]]:
    """What eight bytes do to a CRC-64, byte by byte: 8 x 256 words (slicing by eight)."""
    out = np.zeros((8, 256), np.uint64)
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        out[0, byte] = crc
    for k in range(1, 8):
        before = out[k - 1]
        out[k] = out[0][(before & np.uint64(0xFF)).astype(np.intp)] ^ (before >> np.uint64(8))
    return out


TABLES = _tables()


def lay(
    prefix: Any,
    suffix: Any,
    keys: Any,
    key_ends: Any,
    texts: Any,
    text_ends: Any,
    valid: Any,
    names: Any,
    name_ends: Any,
    instants: Any,
    ttl: Any,
    gone: Any,
    tables: Any,
    out: Any,
    cuts: Any,
) -> int:
    """Fill `out` with a command a row, which ends at `cuts[row + 1]`; gives how many bytes that are.

    Of n rows: keys between `prefix` and `suffix`; F columns of texts, one column after the other (`text_ends` has
    F * n + 1 places), absent where not `valid`; M columns of instants (us) behind them. `names`: the F + M names of
    fields as listpack entries, each ending at its place in `name_ends`. `ttl` in ms, 0 for none; where `gone`, the
    command is DEL.
    """
    n = len(ttl)
    fields = len(valid) // n
    stamps = len(instants) // n
    p = 0
    cuts[0] = 0
    day = np.int64(-(1 << 62))
    year = np.int64(0)
    month = np.int64(0)
    date = np.int64(0)
    for i in range(n):
        key_size = len(prefix) + key_ends[i + 1] - key_ends[i] + len(suffix)
        size = 7 + (name_ends[fields + stamps] - name_ends[fields]) + 29 * stamps  # bytes of the listpack
        count = 2 * stamps
        for f in range(fields):
            at = f * n + i
            if valid[at]:
                length = text_ends[at + 1] - text_ends[at]
                entry = length + (1 if length < 64 else 2 if length < 4096 else 5)
                back = 1
                while back < 5 and entry >= _BACK[back - 1]:
                    back += 1
                size += name_ends[f + 1] - name_ends[f] + entry + back
                count += 2
        payload = 1 + (1 if size < 64 else 2 if size < 16384 else 5) + size + 10
        digits = 1
        rest = ttl[i]
        while rest >= 10:
            rest //= 10
            digits += 1

        if gone[i]:
            for c in _DEL:
                out[p] = c
                p += 1
        else:
            for c in _RESTORE:
                out[p] = c
                p += 1
        for part in range(4):
            if part == 0:
                number = key_size
            elif gone[i]:
                break
            elif part == 1:
                number = np.int64(digits)
            elif part == 2:
                number = ttl[i]
            else:
                number = payload
            width = 1
            rest = number
            while rest >= 10:
                rest //= 10
                width += 1
            for j in range(width):
                out[p + width - 1 - j] = 48 + number % 10
                number //= 10
            p += width
            out[p] = 13
            out[p + 1] = 10
            p += 2
            if part == 0:
                put = out[p : p + len(prefix)]
                for j in range(len(put)):
                    put[j] = prefix[j]
                p += len(prefix)
                got = keys[key_ends[i] : key_ends[i + 1]]
                put = out[p : p + len(got)]
                for j in range(len(put)):
                    put[j] = got[j]
                p += len(got)
                put = out[p : p + len(suffix)]
                for j in range(len(put)):
                    put[j] = suffix[j]
                p += len(suffix)
                out[p] = 13
                out[p + 1] = 10
                p += 2
            if (part == 0 and not gone[i]) or part == 2:
                out[p] = 36  # $, before the next length
                p += 1
        if gone[i]:
            cuts[i + 1] = p
            continue

        begin = p
        out[p] = HASH_LISTPACK
        p += 1
        if size < 64:
            out[p] = size
            p += 1
        elif size < 16384:
            out[p] = 0x40 | (size >> 8)
            out[p + 1] = size & 0xFF
            p += 2
        else:
            out[p] = 0x80
            for j in range(4):
                out[p + 1 + j] = (size >> (24 - 8 * j)) & 0xFF
            p += 5
        for j in range(4):
            out[p + j] = (size >> (8 * j)) & 0xFF
        out[p + 4] = count & 0xFF
        out[p + 5] = count >> 8
        p += 6
        for f in range(fields + stamps):
            at = f * n + i
            if f < fields and not valid[at]:
                continue
            got = names[name_ends[f] : name_ends[f + 1]]
            put = out[p : p + len(got)]
            for j in range(len(put)):
                put[j] = got[j]
            p += len(got)
            if f < fields:
                got = texts[text_ends[at] : text_ends[at + 1]]
                length = len(got)
                entry = length + (1 if length < 64 else 2 if length < 4096 else 5)
                if length < 64:
                    out[p] = 0x80 | length
                    p += 1
                elif length < 4096:
                    out[p] = 0xE0 | (length >> 8)
                    out[p + 1] = length & 0xFF
                    p += 2
                else:
                    out[p] = 0xF0
                    for j in range(4):
                        out[p + 1 + j] = (length >> (8 * j)) & 0xFF
                    p += 5
                put = out[p : p + length]
                for j in range(len(put)):
                    put[j] = got[j]
                p += length
                back = 1
                while back < 5 and entry >= _BACK[back - 1]:
                    back += 1
                for j in range(back):
                    low = (entry >> (7 * (back - 1 - j))) & 0x7F
                    out[p + j] = low if j == 0 else 0x80 | low
                p += back
            else:
                instant = instants[at - fields * n]
                of_day = instant % _DAY
                if (instant - of_day) // _DAY != day:
                    # From days to a date: Howard Hinnant, "chrono-compatible low-level date algorithms".
                    day = (instant - of_day) // _DAY
                    z = day + 719468
                    era = z // 146097
                    doe = z - era * 146097
                    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
                    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
                    mp = (5 * doy + 2) // 153
                    date = doy - (153 * mp + 2) // 5 + 1
                    month = mp + 3 if mp < 10 else mp - 9
                    year = yoe + era * 400 + (1 if month <= 2 else 0)
                out[p] = 0x80 | 27
                second = of_day // 1_000_000
                put = out[p + 1 : p + 28]
                for piece in range(7):
                    if piece == 0:
                        number = year
                        end = 4
                        after = 45
                    elif piece == 1:
                        number = month
                        end = 7
                        after = 45
                    elif piece == 2:
                        number = date
                        end = 10
                        after = 84
                    elif piece == 3:
                        number = second // 3600
                        end = 13
                        after = 58
                    elif piece == 4:
                        number = second // 60 % 60
                        end = 16
                        after = 58
                    elif piece == 5:
                        number = second % 60
                        end = 19
                        after = 46
                    else:
                        number = of_day % 1_000_000
                        end = 26
                        after = 90
                    put[end] = after
                    for j in range(4 if piece == 0 else 6 if piece == 6 else 2):
                        put[end - 1 - j] = 48 + number % 10
                        number //= 10
                out[p + 28] = 28
                p += 29
        out[p] = 0xFF
        out[p + 1] = RDB_VERSION
        out[p + 2] = 0
        p += 3
        crc = np.uint64(0)
        checked = out[begin:p]
        whole = len(checked) // 8
        for w in range(whole):
            eight = checked[8 * w : 8 * w + 8]
            word = np.uint64(0)
            for j in range(8):
                word |= np.uint64(eight[j]) << np.uint64(8 * j)
            crc ^= word
            crc = (
                tables[7, crc & np.uint64(0xFF)]
                ^ tables[6, (crc >> np.uint64(8)) & np.uint64(0xFF)]
                ^ tables[5, (crc >> np.uint64(16)) & np.uint64(0xFF)]
                ^ tables[4, (crc >> np.uint64(24)) & np.uint64(0xFF)]
                ^ tables[3, (crc >> np.uint64(32)) & np.uint64(0xFF)]
                ^ tables[2, (crc >> np.uint64(40)) & np.uint64(0xFF)]
                ^ tables[1, (crc >> np.uint64(48)) & np.uint64(0xFF)]
                ^ tables[0, crc >> np.uint64(56)]
            )
        for j in range(8 * whole, len(checked)):
            crc = tables[0, (crc ^ np.uint64(checked[j])) & np.uint64(0xFF)] ^ (crc >> np.uint64(8))
        for j in range(8):
            out[p + j] = (crc >> np.uint64(8 * j)) & np.uint64(0xFF)
        p += 8
        for c in _REPLACE:
            out[p] = c
            p += 1
        cuts[i + 1] = p
    return p


_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_PLACES = "int64[::1]"
LAY = Native(
    lay,
    f"int64({_BYTES}, {_BYTES}, {_BYTES}, {_PLACES}, {_BYTES}, {_PLACES}, boolean[::1], {_BYTES}, {_PLACES}, "
    f"{_PLACES}, {_PLACES}, boolean[::1], uint64[:, ::1], uint8[::1], {_PLACES})",
)
