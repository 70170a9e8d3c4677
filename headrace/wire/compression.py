"""Kafka's five codecs by their number in a record batch. Refuses to guess: an unknown number is an error.

cramjam is imported only when a compressed batch is met.
"""

from __future__ import annotations

from typing import Final

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
NAMES: Final = {number: name for name, number in CODECS.items()}

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL + (1).to_bytes(4, "big") * 2


def decompress(data: bytes | memoryview, codec: int) -> bytes | memoryview:
    """The records of a batch whose attributes name `codec`. ValueError if the data is not what it claims."""
    if codec == 0:
        return data
    import cramjam

    try:
        match codec:
            case 1:
                return memoryview(cramjam.gzip.decompress(data))
            case 2:
                return _unsnappy(memoryview(data))
            case 3:
                return memoryview(cramjam.lz4.decompress(data))
            case 4:
                return memoryview(cramjam.zstd.decompress(data))
    except cramjam.DecompressionError as error:
        raise ValueError(f"not {NAMES[codec]}: {error}") from None
    raise ValueError(f"compression codec {codec}: expected one of {NAMES}")


def compress(data: bytes, codec: int, *, xerial: bool = False) -> bytes:
    """The inverse of `decompress`. `xerial`: snappy as the Java client frames it, not as one raw block."""
    if codec == 0:
        return data
    import cramjam

    match codec:
        case 1:
            return bytes(cramjam.gzip.compress(data))
        case 2 if not xerial:
            return bytes(cramjam.snappy.compress_raw(data))
        case 2:
            blocks = [
                bytes(cramjam.snappy.compress_raw(data[i : i + 32768])) for i in range(0, len(data), 32768)
            ]
            return _XERIAL_HEADER + b"".join(len(b).to_bytes(4, "big") + b for b in blocks)
        case 3:
            return bytes(cramjam.lz4.compress(data))
        case 4:
            return bytes(cramjam.zstd.compress(data))
    raise ValueError(f"compression codec {codec}: expected one of {NAMES}")


def _unsnappy(data: memoryview) -> bytes | memoryview:
    """librdkafka writes one raw block, the Java client xerial frames; both occur in one topic."""
    import cramjam

    if bytes(data[:8]) != _XERIAL:
        return memoryview(cramjam.snappy.decompress_raw(data))
    out, at = [], 16
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        out.append(bytes(cramjam.snappy.decompress_raw(data[at + 4 : at + 4 + size])))
        at += 4 + size
    return b"".join(out)
