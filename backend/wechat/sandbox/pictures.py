"""A picture in place of a mini-program code: a real JPEG or PNG, which no phone can scan."""

import hashlib
import struct
import zlib
from functools import cache
from typing import Final

MODULES: Final = 33
# The standard table of brightness differences (ITU T.81, K.3.1), and a table that knows only
# "nothing more in this block": each block of eight by eight pixels is one flat grey.
DC_COUNTS: Final = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
DC_VALUES: Final = bytes(range(12))
AC_COUNTS: Final = bytes([1, *([0] * 15)])


def pattern(text: str) -> list[list[bool]]:
    """Dark modules within a disc, different for each text, with a ring in the middle."""
    bits = int.from_bytes(hashlib.shake_256(text.encode()).digest(MODULES * MODULES // 8 + 1))
    centre = (MODULES - 1) / 2
    rows = []
    for y in range(MODULES):
        row = []
        for x in range(MODULES):
            distance = ((x - centre) ** 2 + (y - centre) ** 2) ** 0.5
            if distance < 6:
                row.append(distance > 4 or distance < 2)
            else:
                row.append(distance <= centre and bool(bits >> (y * MODULES + x) & 1))
        rows.append(row)
    return rows


def jpeg(text: str, width: int) -> bytes:
    """A grey JPEG, `width` pixels wide and high."""
    blocks = (width + 7) // 8
    dark = pattern(text)
    at = [min(n * MODULES // blocks, MODULES - 1) for n in range(blocks)]
    scan = "".join(_differences([-105 if dark[y][x] else 127 for y in at for x in at]))
    scan += "1" * (-len(scan) % 8)
    data = int(scan, 2).to_bytes(len(scan) // 8).replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">BHHB", 8, width, width, 1) + bytes([1, 0x11, 0])
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            _segment(0xDB, b"\0" + b"\x08" * 64),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + DC_COUNTS + DC_VALUES),
            _segment(0xC4, b"\x10" + AC_COUNTS + b"\0"),
            _segment(0xDA, bytes([1, 1, 0, 0, 63, 0])),
            data,
            b"\xff\xd9",
        ]
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


@cache
def _codes() -> list[str]:
    """The bits of each category, shortest first, as the counts prescribe."""
    codes = []
    code = 0
    for length, count in enumerate(DC_COUNTS, start=1):
        for _ in range(count):
            codes.append(f"{code:0{length}b}")
            code += 1
        code <<= 1
    return codes


def _differences(levels: list[int]) -> list[str]:
    """Each level as its difference from the one before, then the end of its block."""
    bits = []
    before = 0
    for level in levels:
        difference = level - before
        before = level
        size = abs(difference).bit_length()
        value = difference if difference >= 0 else difference + (1 << size) - 1
        bits.append(_codes()[size] + (f"{value:0{size}b}" if size else "") + "0")
    return bits


def png(text: str, width: int) -> bytes:
    """A PNG with a transparent ground, `width` pixels wide and high."""
    dark = pattern(text)
    at = [n * MODULES // width for n in range(width)]
    lines = [b"\0" + b"".join(b"\0\xff" if row[x] else b"\0\0" for x in at) for row in dark]
    raw = b"".join(lines[y] for y in at)
    header = struct.pack(">IIBBBBB", width, width, 8, 4, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum
