"""Finding products by words: Chinese cut into words, kept as lexemes that only one shop can match.

PostgreSQL stores and compares; it never parses a text, so its locale and its version change
nothing. A lexeme is `m42:羊毛`: the shop is part of it, and one GIN index serves every shop. What a
name says has weight A; keywords, subtitle, brand and tags B; parameters, specs and codes C; the
description D. Names and keywords are also kept by single characters and by pairs, so that
`羊毛被` is found in `澳洲羊毛被` however the words around it are cut. A tag is `m42#热销`.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from shop.models import Customer, SearchQuery

MAX_WORDS: Final = 60  # characters of what somebody types
SHOWN: Final = 10
POPULAR_DAYS: Final = 30
POPULAR_OF: Final = 5000  # so many of the latest searches are counted
POPULAR_FROM: Final = 2  # customers: what one person types is nobody else's business
HISTORY: Final = 20
_KEPT: Final = 50

_LONGEST: Final = 40  # characters of a lexeme
_DESCRIPTION: Final = 4000  # characters of a description that are searched
_LAST_POSITION: Final = 16383
_PARTICLES: Final = frozenset("的了和与及之呢吗啊吧呀是在有")
_HAN: Final = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS: Final = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:[.+#/-][^\W_{_HAN}]+)*")
_PIECES: Final = re.compile(r"[0-9]+|[^\W_0-9]+")
_TAGS: Final = re.compile(r"<[^>]*>")

_loading = threading.Lock()


def _tokenizer() -> Any:
    with _loading:
        return _load()


@cache
def _load() -> Any:
    """jieba with its own dictionary, read once a process: 0.4 s and 60 MB, at the first use.

    Its own way to load keeps a cache in the shared temporary folder and says so on stderr; this
    does neither.
    """
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def normal(text: str) -> str:
    """Full width is half width, capitals are small, spaces are single."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def tidy(words: str) -> str:
    """What a person typed, as their history shows it."""
    return " ".join(unicodedata.normalize("NFKC", words).split())[:MAX_WORDS].strip()


def _is_han(run: str) -> bool:
    return re.match(f"[{_HAN}]", run) is not None


@lru_cache(maxsize=8192)
def _words(run: str) -> tuple[str, ...]:
    """A run of Chinese as jieba's words, long ones also by the words inside them."""
    found: Iterable[str] = _tokenizer().cut_for_search(run, HMM=False)
    return tuple(dict.fromkeys(word for word in found if word not in _PARTICLES)) or tuple(run)


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _pieces(run: str) -> list[str]:
    """`iphone15-pro` is also `iphone`, `15` and `pro`."""
    pieces = _PIECES.findall(run)
    return pieces if len(pieces) > 1 else []


def _tokens(text: str, *, by_character: bool) -> Iterator[str]:
    for run in _RUNS.findall(normal(text)):
        if _is_han(run):
            yield from _words(run)
            if by_character:
                yield from run
                yield from _pairs(run)
        else:
            yield run[:_LONGEST]
            yield from (piece[:_LONGEST] for piece in _pieces(run))


@dataclass(frozen=True)
class Texts:
    """What of a product is searched, the most telling first."""

    name: str
    keywords: Sequence[str] = ()
    facts: Sequence[str] = ()
    description: str = ""
    tags: Sequence[str] = ()


def vector(merchant: int, texts: Texts) -> str:
    """The product's `tsvector`, as a literal. A word counts once a weight."""
    description = _TAGS.sub(" ", texts.description)[:_DESCRIPTION]
    fields = [
        ("A", [texts.name], True),
        ("B", [*texts.keywords, *texts.tags], True),
        ("C", texts.facts, False),
        ("D", [description], False),
    ]
    places: dict[str, dict[str, int]] = {}
    position = 0
    for weight, some, by_character in fields:
        for text in some:
            for token in _tokens(text, by_character=by_character):
                position = min(position + 1, _LAST_POSITION)
                places.setdefault(token, {}).setdefault(weight, position)
    lexemes = [
        f"'m{merchant}:{token}':" + ",".join(f"{at}{weight}" for weight, at in found.items())
        for token, found in places.items()
    ]
    return " ".join(lexemes + [tag(merchant, name) for name in texts.tags])


def tag(merchant: int, name: str) -> str:
    """The lexeme of a tag, quoted for a `tsvector` or a `tsquery`."""
    escaped = normal(name).replace("\\", "\\\\").replace("'", "''")
    return f"'m{merchant}#{escaped}'"


@dataclass(frozen=True)
class Query:
    """A `tsquery` for words anywhere, in what names a product, and in its name alone."""

    anywhere: str
    labels: str
    name: str


def query(merchant: int, words: str) -> Query | None:
    """What to look for; None when there is nothing to (spaces, punctuation).

    Every word has to be there. The last may be the beginning of one: people are still typing.
    """
    runs = _RUNS.findall(normal(words[:MAX_WORDS]))
    if not runs:
        return None

    def terms(weights: str) -> str:
        last = len(runs) - 1
        return " & ".join(
            _term(merchant, run, weights, is_last=i == last) for i, run in enumerate(runs)
        )

    return Query(terms(""), terms("AB"), terms("A"))


def _term(merchant: int, run: str, weights: str, *, is_last: bool) -> str:
    def all_of(tokens: Sequence[str], *, prefix: bool) -> str:
        quoted = [f"'m{merchant}:{token[:_LONGEST]}':{weights}" for token in tokens]
        if prefix:
            quoted[-1] += "*"
        return " & ".join(lexeme.rstrip(":") for lexeme in quoted)

    if _is_han(run):
        ways = [all_of(_words(run), prefix=is_last)]
        if len(run) > 1:
            ways.append(all_of(_pairs(run), prefix=False))
    else:
        ways = [all_of([run], prefix=is_last)]
        pieces = _pieces(run)
        # `iphone15` is also "iphone 15", but `4k` isn't "4 kg".
        if pieces and all(len(piece) > 1 or "." in run or "-" in run for piece in pieces):
            ways.append(all_of(pieces, prefix=is_last))
    return "(" + " | ".join(f"({way})" for way in ways) + ")"


# What people searched for


_RECORD_SQL: Final = """
WITH old AS (
    DELETE FROM shop_searchquery WHERE id IN (
        SELECT id FROM shop_searchquery
        WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND words <> %(words)s
        ORDER BY at DESC, id DESC OFFSET %(kept)s)
)
INSERT INTO shop_searchquery (merchant_id, customer_id, words, at)
VALUES (%(merchant)s, %(customer)s, %(words)s, %(at)s)
ON CONFLICT (merchant_id, customer_id, words) DO UPDATE SET at = excluded.at
"""


def record(customer: Customer, words: str) -> None:
    """The customer's history begins with these words; it keeps the last fifty."""
    typed = tidy(words)
    if not _RUNS.search(normal(typed)):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD_SQL,
            {
                "merchant": customer.merchant_id,
                "customer": customer.pk,
                "words": typed,
                "at": timezone.now(),
                "kept": _KEPT - 1,
            },
        )


def history(customer: Customer) -> list[str]:
    """What this customer searched for, latest first."""
    rows = SearchQuery.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    return list(rows.order_by("-at", "-pk").values_list("words", flat=True)[:HISTORY])


def forget(customer: Customer, words: str | None = None) -> None:
    """The customer's history is empty, or without these words."""
    rows = SearchQuery.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    if words is not None:
        rows = rows.filter(words=tidy(words))
    rows.delete()


# Filled up with the shop's categories, so that a new shop has something to begin with.
_POPULAR_SQL: Final = """
SELECT words FROM (
    (SELECT words, count(*) AS customers, false AS top, 0 AS sort, 0 AS id FROM (
        SELECT words FROM shop_searchquery
        WHERE merchant_id = %(merchant)s AND at > %(since)s
        ORDER BY at DESC LIMIT %(of)s) AS latest
     WHERE %(start)s = '' OR starts_with(lower(words), lower(%(start)s))
     GROUP BY words HAVING count(*) >= %(from)s
     ORDER BY customers DESC, words LIMIT %(limit)s)
    UNION ALL
    (SELECT name, 0, c.parent_id IS NULL, c.sort, c.id FROM shop_category c
     WHERE c.merchant_id = %(merchant)s AND c.is_active
       AND (%(start)s = '' OR starts_with(lower(name), lower(%(start)s)))
     ORDER BY 3, c.sort, c.id LIMIT %(limit)s)
) AS found
ORDER BY customers DESC, top, sort, id, words
"""


def popular(merchant: int, start: str = "") -> list[str]:
    """The words most customers searched for lately, or those of them that begin so."""
    since = timezone.now() - dt.timedelta(days=POPULAR_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(
            _POPULAR_SQL,
            {
                "merchant": merchant,
                "since": since,
                "start": start,
                "of": POPULAR_OF,
                "from": POPULAR_FROM,
                "limit": SHOWN,
            },
        )
        return list(dict.fromkeys(words for (words,) in cursor.fetchall()))[:SHOWN]


_NAMES_SQL: Final = """
SELECT p.name FROM shop_product p
WHERE p.merchant_id = %(merchant)s AND p.on_sale AND p.search @@ %(labels)s::tsquery
  AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= %(at)s)
  AND (p.sale_ends_at IS NULL OR p.sale_ends_at > %(at)s)
ORDER BY p.search @@ %(name)s::tsquery DESC, p.sold DESC, p.id DESC
LIMIT %(limit)s
"""


def suggest(merchant: int, words: str) -> list[str]:
    """What somebody who types this may mean: popular words and names; failing both, popular words.

    Three queries at most.
    """
    looked_for = query(merchant, words)
    if looked_for is None:
        return popular(merchant)
    found = popular(merchant, tidy(words))
    with connection.cursor() as cursor:
        cursor.execute(
            _NAMES_SQL,
            {
                "merchant": merchant,
                "labels": looked_for.labels,
                "name": looked_for.name,
                "at": timezone.now(),
                "limit": SHOWN,
            },
        )
        found += [name for (name,) in cursor.fetchall()]
    return list(dict.fromkeys(found))[:SHOWN] or popular(merchant)
