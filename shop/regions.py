"""Provinces, cities and districts: loaded from a file, shown as a tree, found for an address."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from django.core.cache import cache
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from backend.errors import DomainError
from shop.models import Region

log = logging.getLogger(__name__)

DATA: Final = Path(__file__).parent / "data" / "regions.csv"
_CACHE: Final = "regions:tree"
_CACHE_SECONDS: Final = 24 * 3600
_BATCH: Final = 1000

# Cities that stand in the list only to hold districts; nobody writes them in an address.
_STAND_INS: Final = ["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"]


class UnknownRegion(DomainError):
    code = "unknown_region"
    status = 422
    message = _("This province, city or district is not in our list.")


class BadRegionFile(Exception):
    """A file of regions that can't be loaded; says the first line that is wrong."""


@dataclass(frozen=True)
class Counts:
    """What loading a file did."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True)
class Place:
    """A district with what it lies in: codes and names.

    `street` is what was given as a district of a city that has none (a town of 东莞): it belongs
    before the street address.
    """

    province_code: str
    city_code: str
    district_code: str
    province: str
    city: str
    district: str
    street: str = ""


def load(path: str | Path | None = None, *, model: Any = Region) -> Counts:
    """The regions of a file are in the table; loading it again changes nothing.

    What is in the table and not in the file stays: addresses name it. A migration passes the
    `model` of its own time.

    Raises: BadRegionFile, and then nothing is loaded.
    """
    rows = _read(Path(path) if path is not None else DATA)
    with transaction.atomic():
        known = {
            (code, level): (name, parent)
            for code, level, name, parent in model.objects.values_list(
                "code", "level", "name", "parent_code"
            )
        }
        fresh = [row for row in rows if known.get(row[:2]) != row[2:]]
        model.objects.bulk_create(
            [model(code=c, level=lv, name=n, parent_code=p) for c, lv, n, p in fresh],
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["code", "level"],
            update_fields=["name", "parent_code"],
        )
        transaction.on_commit(_forget)
    added = sum(1 for row in fresh if row[:2] not in known)
    return Counts(added, len(fresh) - added, len(rows) - len(fresh))


def _read(path: Path) -> list[tuple[str, int, str, str]]:
    """Code, level, name and parent of each line, every parent among them.

    Raises: BadRegionFile.
    """
    rows: dict[tuple[str, int], tuple[str, int, str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(csv.DictReader(file), start=2):
                code, name = (line.get("code") or "").strip(), (line.get("name") or "").strip()
                level, parent = line.get("level") or "", (line.get("parent_code") or "").strip()
                right = (
                    len(code) == 6 and code.isdecimal() and 0 < len(name) <= 40
                    and level in {"1", "2", "3"} and (parent == "") == (level == "1")
                )  # fmt: skip
                if not right:
                    raise BadRegionFile(f"{path.name}, line {number}: not a region")
                if (code, int(level)) in rows:
                    raise BadRegionFile(f"{path.name}, line {number}: {code} comes twice")
                rows[code, int(level)] = (code, int(level), name, parent)
    except (OSError, UnicodeError, csv.Error) as error:
        raise BadRegionFile(f"{path.name}: {error}") from error
    for code, level, _name, parent in rows.values():
        if level > 1 and (parent, level - 1) not in rows:
            raise BadRegionFile(f"{path.name}: {code} lies in {parent}, which is not there")
    if not rows:
        raise BadRegionFile(f"{path.name}: no regions")
    return list(rows.values())


def tree() -> tuple[str, bytes]:
    """The whole tree as JSON, and the ETag that changes when it does."""
    try:
        kept: tuple[str, bytes] | None = cache.get(_CACHE)
    except (OSError, RedisError) as error:
        log.warning("regions not cached: %s", type(error).__name__)
        return _tree()
    if kept is not None:
        return kept
    made = _tree()
    cache.set(_CACHE, made, _CACHE_SECONDS)
    return made


def _tree() -> tuple[str, bytes]:
    children: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    # Bottom up, so that a node's children are known when it is made.
    for code, level, name, parent in Region.objects.order_by("-level", "code").values_list(
        "code", "level", "name", "parent_code"
    ):
        node: dict[str, Any] = {"code": code, "name": name}
        if level < Region.Level.DISTRICT:
            node["children"] = children[code, level + 1]
        children[parent, level].append(node)
    body = orjson.dumps({"results": children["", 1], "next": None})
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"', body


def _forget() -> None:
    try:
        cache.delete(_CACHE)
    except (OSError, RedisError) as error:
        log.warning("regions not forgotten: %s", type(error).__name__)


_PLACE_SQL: Final = """
SELECT p.code, c.code, d.code, p.name, c.name, d.name
FROM shop_region d
JOIN shop_region c ON c.code = d.parent_code AND c.level = 2
JOIN shop_region p ON p.code = c.parent_code AND p.level = 1
WHERE d.level = 3 AND
"""


def by_code(district_code: str) -> Place:
    """The district with this code. A code that stands at two levels is the lower one here.

    Raises: UnknownRegion.
    """
    found = _places("d.code = %s", [district_code])
    if not found:
        raise UnknownRegion(fields={"district_code": [str(UnknownRegion.message)]})
    return found[0]


def by_names(province: str, city: str, district: str) -> Place:
    """The district that `wx.chooseAddress` means by these names.

    It writes 北京市, 北京市, 朝阳区 where the list has 北京市, 市辖区, 朝阳区; and, for a city
    without districts, a town or the city's name again.

    Raises: UnknownRegion, at the first name that is not there.
    """
    if found := _places(
        "p.name = %s AND d.name = %s AND (c.name = %s OR c.name = ANY(%s))"
        " ORDER BY c.name = %s DESC",
        [province, district, city, _STAND_INS, city],
    ):
        return found[0]
    # 东莞, 中山 and 儋州 are their own and only district.
    if found := _places("p.name = %s AND c.name = %s AND d.code = c.code", [province, city]):
        only = found[0]
        return Place(**{**vars(only), "street": "" if district == city else district})
    where = "district"
    if not Region.objects.filter(level=Region.Level.PROVINCE, name=province).exists():
        where = "province"
    elif (
        city != province
        and not Region.objects.filter(level__gt=Region.Level.PROVINCE, name=city).exists()
    ):
        where = "city"
    raise UnknownRegion(fields={where: [str(UnknownRegion.message)]})


def _places(where: str, parameters: list[Any]) -> list[Place]:
    with connection.cursor() as cursor:
        cursor.execute(_PLACE_SQL + where, parameters)
        return [Place(*row) for row in cursor.fetchall()]
