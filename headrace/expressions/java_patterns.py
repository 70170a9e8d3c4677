"""Java's date and time patterns (``yyyy-MM-dd HH:mm:ss``), to print and to read, in UTC and English.

Owns the letters that Spark 3.5 allows and what each prints or takes; a pattern is compiled once into Polars
expressions. Refuses, with `BadPatternError`, what Spark refuses: week-based years, narrow texts, unknown letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from headrace.expressions.cast.text_to_time import zone_offset
from headrace.expressions.columns import MICROS_PER_DAY, date_of, days, int64, micros, per_value, staged
from headrace.types import Int64

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_NEVER = frozenset("ABceNnpWwYu")
_PRINTED_ONLY = frozenset("EFqQ")
_MOST = {
    "G": 5, "y": 6, "M": 4, "L": 4, "d": 2, "D": 3, "E": 4, "F": 1, "Q": 4, "q": 4, "a": 1, "H": 2, "h": 2,
    "K": 2, "k": 2, "m": 2, "s": 2, "S": 9, "V": 2, "z": 4, "O": 4, "X": 5, "x": 5, "Z": 5,
}  # fmt: skip


class BadPatternError(ValueError):
    """The text is no pattern that Spark takes; the message says why."""


@dataclass(frozen=True)
class Piece:
    """A run of one letter, or literal text (`letter` empty), perhaps inside ``[...]``."""

    letter: str
    text: str

    @property
    def count(self) -> int:
        return len(self.text)


def pieces(pattern: str) -> list[Piece]:
    """The pattern's pieces; optional sections are ``Piece("[", "[")`` and ``Piece("]", "]")``."""
    out: list[Piece] = []
    i = depth = 0
    while i < len(pattern):
        c = pattern[i]
        if c == "'":
            text, i = _quoted(pattern, i)
            out.append(Piece("", text))
            continue
        if c.isascii() and c.isalpha():
            end = i
            while end < len(pattern) and pattern[end] == c:
                end += 1
            _check(c, end - i)
            out.append(Piece(c, pattern[i:end]))
            i = end
            continue
        if c in "#{}":
            raise BadPatternError(f"`{c}` is reserved; put it in quotes")
        if c in "[]":
            depth += 1 if c == "[" else -1
            if depth < 0:
                raise BadPatternError("a `]` closes nothing")
            out.append(Piece(c, c))
        else:
            out.append(Piece("", c))
        i += 1
    return out


def _quoted(pattern: str, i: int) -> tuple[str, int]:
    if pattern[i : i + 2] == "''":
        return "'", i + 2
    text, j = "", i + 1
    while j < len(pattern):
        if pattern[j] != "'":
            text += pattern[j]
        elif pattern[j : j + 2] == "''":
            text += "'"
            j += 1
        else:
            return text, j + 1
        j += 1
    raise BadPatternError("a quote is not closed")


def _check(letter: str, count: int) -> None:
    if letter in _NEVER or letter not in _MOST:
        raise BadPatternError(f"the letter `{letter}` is not allowed")
    if count > _MOST[letter] or (letter == "V" and count != 2) or (letter == "O" and count not in (1, 4)):
        raise BadPatternError(f"`{letter * count}` is too long or too short")


def printed(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    """The pattern as a function from a timestamp expression to a string expression."""
    parts = [p for p in pieces(pattern) if p.letter not in ("[", "]")]
    era = any(p.letter == "G" for p in parts)

    def run(x: pl.Expr) -> pl.Expr:
        texts = [_print(p, x, era) for p in parts] or [pl.lit("")]
        return pl.when(x.is_not_null()).then(pl.concat_str(texts))

    return run


def _number(x: pl.Expr, width: int) -> pl.Expr:
    return x.cast(pl.String).str.zfill(width) if width > 1 else x.cast(pl.String)


def _print(p: Piece, x: pl.Expr, era: bool) -> pl.Expr:
    n = p.count
    if not p.letter:
        return pl.lit(p.text)
    if p.letter == "y":
        return _print_year(x, n, era)
    if p.letter in "ML":
        month = x.dt.month().cast(pl.Int32)
        return _number(month, n) if n < 3 else _name(month - 1, [m[:3] if n == 3 else m for m in MONTHS])
    if p.letter == "E":
        weekday = x.dt.weekday().cast(pl.Int32) - 1
        return _name(weekday, [w[:3] if n < 4 else w for w in WEEKDAYS])
    if p.letter in "Qq":
        quarter = x.dt.quarter().cast(pl.Int32)
        names = (
            [f"Q{i}" for i in range(1, 5)]
            if n == 3
            else [f"{o} quarter" for o in ("1st", "2nd", "3rd", "4th")]
        )
        return _number(quarter, n) if n < 3 else _name(quarter - 1, names)
    if p.letter == "S":
        return (micros(x) % 1_000_000).cast(pl.String).str.zfill(6).str.pad_end(9, "0").str.slice(0, n)
    if p.letter == "a":
        return pl.when(x.dt.hour() < 12).then(pl.lit("AM")).otherwise(pl.lit("PM"))
    if p.letter == "G":
        before, after = ("BC", "AD") if n < 4 else ("Before Christ", "Anno Domini") if n == 4 else ("B", "A")
        return pl.when(x.dt.year() <= 0).then(pl.lit(before)).otherwise(pl.lit(after))
    if p.letter in "zVOXxZ":
        return pl.lit(_utc(p.letter, n))
    hour = x.dt.hour().cast(pl.Int32)
    number = {
        "d": lambda: x.dt.day().cast(pl.Int32),
        "D": lambda: x.dt.ordinal_day().cast(pl.Int32),
        "F": lambda: (x.dt.day().cast(pl.Int32) - 1) % 7 + 1,
        "H": lambda: hour,
        "k": lambda: pl.when(hour == 0).then(24).otherwise(hour),
        "K": lambda: hour % 12,
        "h": lambda: (hour + 11) % 12 + 1,
        "m": lambda: x.dt.minute().cast(pl.Int32),
        "s": lambda: x.dt.second().cast(pl.Int32),
    }[p.letter]()
    return _number(number, n)


def _print_year(x: pl.Expr, n: int, era: bool) -> pl.Expr:
    year = x.dt.year().cast(pl.Int32)
    if era:
        year = pl.when(year <= 0).then(1 - year).otherwise(year)
    if n == 2:
        return _number(year.abs() % 100, 2)
    digits = _number(year.abs(), n)
    plus = pl.when(year.abs() >= 10**n).then(pl.lit("+")).otherwise(pl.lit("")) if n >= 4 else pl.lit("")
    return pl.when(year < 0).then(pl.lit("-")).otherwise(plus) + digits


def _name(index: pl.Expr, names: list[str]) -> pl.Expr:
    return index.replace_strict(list(range(len(names))), names, return_dtype=pl.String)


def _utc(letter: str, n: int) -> str:
    if letter == "X":
        return "Z"
    if letter == "x":
        return {1: "+00", 2: "+0000", 3: "+00:00", 4: "+0000", 5: "+00:00"}[n]
    if letter == "Z":
        return "+0000" if n < 4 else "GMT" if n == 4 else "Z"
    if letter == "z":
        return "UTC" if n < 4 else "Coordinated Universal Time"
    return "GMT" if letter == "O" else "UTC"


@dataclass(frozen=True)
class Reader:
    """A pattern as a regular expression whose groups are `fields`, in order."""

    regex: str
    fields: tuple[Piece, ...]


def reader(pattern: str) -> Reader:
    regex, fields = "", []
    greedy = False  # among digits that a year of any width began: it leaves none for a fraction of any width
    for p in pieces(pattern):
        if p.letter == "y":
            greedy = p.count != 2
        elif p.letter == "S" and p.count > 1 and greedy:
            regex += r"[^\s\S]"
        greedy = greedy and (p.letter == "y" or (p.letter != "" and p.letter in "MLdHhKkms" and p.count < 3))
        if p.letter in _PRINTED_ONLY:
            raise BadPatternError(f"the letter `{p.letter}` can be printed but not read")
        if p.letter in ("[", "]"):
            regex += "(?:" if p.letter == "[" else ")?"
        elif not p.letter:
            regex += re.escape(p.text)
        else:
            regex += f"({_taken(p)})"
            fields.append(p)
    opened = regex.count("(?:") - regex.count(")?")
    return Reader(rf"(?is)\A{regex}{')?' * max(opened, 0)}\z", tuple(fields))


def _taken(p: Piece) -> str:
    n = p.count
    if p.letter == "y":
        if n == 2:
            return "[0-9]{2}"
        wide = rf"[0-9]{{{n}}}|[+][0-9]{{{n + 1},10}}|-[0-9]{{{n},10}}"
        return "-?[0-9]{1,10}" if n == 1 else rf"[0-9]{{{n},10}}|-[0-9]{{{n},10}}" if n == 3 else wide
    if p.letter in "ML" and n >= 3:
        return "|".join(m[:3] if n == 3 else m for m in MONTHS)
    if p.letter == "S":  # Spark reads from one digit up to as many as there are letters
        return f"[0-9]{{1,{n}}}"
    if p.letter == "a":
        return "AM|PM"
    if p.letter == "G":
        return {4: "Before Christ|Anno Domini", 5: "B|A"}.get(n, "BC|AD")
    if p.letter in "zV":
        return r"[A-Za-z][A-Za-z0-9_/+:-]*|[+-][0-9]{1,2}(?::?[0-9]{2})?(?::?[0-9]{2})?"
    if p.letter == "O":
        return r"GMT(?:[+-][0-9]{1,2}(?::[0-9]{2})?)?"
    if p.letter in "XxZ":
        return _offset_taken(p.letter, n)
    return "[0-9]{1,18}" if n == 1 else f"[0-9]{{{n}}}"


def _offset_taken(letter: str, n: int) -> str:
    if letter == "Z":
        return {4: r"GMT(?:[+-][0-9]{2}:[0-9]{2})?", 5: r"Z|[+-][0-9]{2}:[0-9]{2}"}.get(n, "[+-][0-9]{4}")
    body = {
        1: "[+-][0-9]{2}(?:[0-9]{2})?",
        2: "[+-][0-9]{4}",
        3: "[+-][0-9]{2}:[0-9]{2}",
        4: "[+-][0-9]{4}(?:[0-9]{2})?",
        5: "[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?",
    }[n]
    return f"Z|{body}" if letter == "X" else body


def read(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    """The pattern as a function from a string expression to Int64 microseconds; null where it does not fit.

    What the pattern does not have is 1970-01-01 00:00:00, as in Spark.
    """
    r = reader(pattern)

    def run(text: pl.Expr) -> pl.Expr:
        if not r.fields:
            return pl.when(text.str.contains(r.regex)).then(int64(0))
        groups = pl.col("groups").struct
        found = {p.letter: (p, groups.field(str(i))) for i, p in enumerate(r.fields, 1)}
        return staged(
            {"text": text},
            {
                "groups": pl.col("text").str.extract_groups(r.regex),
                "fits": pl.col("text").str.contains(r.regex),
            },
            {"result": pl.when(pl.col("fits")).then(_assembled(found))},
            returns=Int64,
        )

    return run


Fields = dict[str, tuple[Piece, pl.Expr]]


def _int(found: Fields, letter: str, default: int) -> pl.Expr:
    if letter not in found:
        return int64(default)
    return found[letter][1].cast(pl.Int64, strict=False).fill_null(default)


def _assembled(found: Fields) -> pl.Expr:
    year = _year(found)
    month = _month(found)
    day = _int(found, "d", 1)
    if "D" in found and "d" not in found:
        start = days(date_of(year, int64(1), int64(1))).cast(pl.Int64)
        of_year = _int(found, "D", 1)
        leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
        last = pl.when(leap).then(366).otherwise(365)
        inside = (of_year >= 1) & (of_year <= last)
        day_number = pl.when(inside).then(start + of_year - 1).otherwise(None)
    else:
        day_number = days(date_of(year, month, day)).cast(pl.Int64)
    hour, hour_ok = _hour(found)
    minute, second = _int(found, "m", 0), _int(found, "s", 0)
    valid = hour_ok & minute.is_between(0, 59) & second.is_between(0, 59)
    fraction = found["S"][1].str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64) if "S" in found else int64(0)
    us = (
        day_number * MICROS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction.fill_null(0)
    )
    us = pl.when(valid & (year.abs() < 290_000)).then(us)
    return us - _zone(found, us) * 1_000_000


def _year(found: Fields) -> pl.Expr:
    year = _int(found, "y", 1970)
    if "y" in found and found["y"][0].count == 2:
        year = year + 2000
    if "G" in found:
        year = pl.when(found["G"][1].str.to_uppercase().str.starts_with("B")).then(1 - year).otherwise(year)
    return year


def _month(found: Fields) -> pl.Expr:
    letter = "M" if "M" in found else "L"
    if letter not in found or found[letter][0].count < 3:
        return _int(found, letter, 1)
    short = found[letter][1].str.slice(0, 3).str.to_lowercase()
    return short.replace_strict(
        [m[:3].lower() for m in MONTHS], list(range(1, 13)), default=1, return_dtype=pl.Int64
    )


def _hour(found: Fields) -> tuple[pl.Expr, pl.Expr]:
    """The hour of the day and whether it was in range."""
    if "H" in found:
        h = _int(found, "H", 0)
        return h, h.is_between(0, 23)
    if "k" in found:
        h = _int(found, "k", 24)
        return h % 24, h.is_between(1, 24)
    if "h" in found or "K" in found:
        letter = "h" if "h" in found else "K"
        h = _int(found, letter, 0)
        ok = h.is_between(1, 12) if letter == "h" else h.is_between(0, 11)
        half = (
            pl.when(found["a"][1].str.to_uppercase() == "PM").then(12).otherwise(0)
            if "a" in found
            else int64(0)
        )
        return h % 12 + half, ok
    return int64(0), pl.lit(True)


_OFFSET = r"^(?i:GMT|UTC|UT)?([+-])([0-9]{1,2}):?([0-9]{2})?:?([0-9]{2})?$"


def _zone(found: Fields, local: pl.Expr) -> pl.Expr:
    """Seconds east of UTC."""
    zone = next((found[letter][1] for letter in "XxZzVO" if letter in found), None)
    if zone is None:
        return int64(0)
    parts = zone.str.extract_groups(_OFFSET)
    sign, h, m, s = (parts.struct.field(str(i)) for i in range(1, 5))
    h, m, s = (g.cast(pl.Int64, strict=False).fill_null(0) for g in (h, m, s))
    seconds = pl.when((h < 19) & (m < 60) & (s < 60)).then((h * 60 + m) * 60 + s)
    is_utc = zone.is_null() | zone.str.to_uppercase().is_in(["Z", "UTC", "GMT", "UT"])
    named = pl.when(is_utc | sign.is_not_null()).then(None).otherwise(zone)
    return (
        pl.when(is_utc)
        .then(int64(0))
        .when(sign == "-")
        .then(-seconds)
        .when(sign == "+")
        .then(seconds)
        .otherwise(per_value(zone_offset, named, local, returns=Int64))
    )
