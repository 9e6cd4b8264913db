"""The columns a catalogue may have, in Chinese or English, and what their cells may say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db.models import CharField

from backend.money import Fen
from shop.catalogue import clean_html
from shop.models import Category, Product, Sku

MAX_PRICE_YUAN: Final = 100_000_000
MAX_COUNT: Final = 1_000_000_000
MAX_SPECS: Final = 5
MAX_PARAMS: Final = 100
MAX_PICTURES: Final = 30
MAX_TAGS: Final = 20
_MAX_DESCRIPTION: Final = 100_000
_MAX_NAME: Final = 60  # of a spec or a parameter
_MAX_VALUE: Final = 1000  # of a parameter
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_AMOUNT: Final = re.compile(r"([+-]?)((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)")
_COUNT: Final = re.compile(r"([+-]?)(\d+)(?:\.0*)?")
_YES: Final = frozenset({"是", "上架", "在售", "1", "y", "yes", "true", "on"})
_NO: Final = frozenset({"否", "下架", "停售", "0", "n", "no", "false", "off"})


class BadCell(Exception):
    """A cell that doesn't say what its column holds."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


def plain(text: str) -> str:
    """A cell's text, without what no text has.

    Raises: BadCell.
    """
    if _CONTROL.search(text):
        raise BadCell("bad_character")
    return text


def _text(limit: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > limit:
            raise BadCell("too_long", limit=limit)
        return text

    return read


def _as_in(model: type[Product | Sku | Category], name: str) -> Callable[[str], str]:
    """A text as long as its column in the database."""
    column = model._meta.get_field(name)
    column = getattr(column, "base_field", column)
    assert isinstance(column, CharField)  # noqa: S101
    assert column.max_length is not None  # noqa: S101
    return _text(column.max_length)


def _halved(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def price(text: str) -> Fen | None:
    """Yuan, with or without ¥ and thousands, as fen; never through a float."""
    if not text:
        return None
    found = _AMOUNT.fullmatch(_halved(text).strip("¥￥元 "))
    if found is None:
        raise BadCell("bad_price", value=text)
    yuan = Decimal(found[2].replace(",", ""))
    if found[1] == "-" and yuan:
        raise BadCell("negative")
    if yuan >= MAX_PRICE_YUAN:
        raise BadCell("too_high", limit=MAX_PRICE_YUAN)
    fen = yuan * 100
    if fen != fen.to_integral():
        raise BadCell("too_many_decimals")
    return Fen(int(fen))


def count(text: str) -> int | None:
    """A whole number, none where the cell is empty."""
    if not text:
        return None
    found = _COUNT.fullmatch(_halved(text))
    if found is None:
        raise BadCell("bad_number", value=text)
    if len(found[2]) > 12 or int(found[2]) > MAX_COUNT:
        raise BadCell("too_high", limit=MAX_COUNT)
    if found[1] == "-" and int(found[2]):
        raise BadCell("negative")
    return int(found[2])


def weight(text: str) -> int:
    return count(text) or 0


def choice(text: str) -> bool:
    """Yes or no; yes where the cell is empty."""
    word = _halved(text).casefold()
    if word and word not in _YES | _NO:
        raise BadCell("bad_choice", value=text)
    return word not in _NO


def pairs(text: str, limit: int, name_limit: int, value_limit: int) -> tuple[tuple[str, str], ...]:
    """`名:值;名:值`. Full-width marks divide only where there is no half-width one."""
    split = ";" if ";" in text or ":" in text else "；"
    colon = ":" if ":" in text else "："
    found: dict[str, str] = {}
    for part in re.split(rf"[{split}\n]", text):
        if not part.strip():
            continue
        name, mark, value = (piece.strip() for piece in part.partition(colon))
        if not mark or not name or not value:
            raise BadCell("bad_pair", value=part.strip())
        if len(name) > name_limit or len(value) > value_limit:
            raise BadCell("too_long", limit=name_limit if len(name) > name_limit else value_limit)
        if name in found:
            raise BadCell("repeated_name", value=name)
        found[name] = value
    if len(found) > limit:
        raise BadCell("too_many", limit=limit)
    return tuple(found.items())


def specs(text: str) -> tuple[tuple[str, str], ...]:
    return pairs(text, MAX_SPECS, 20, 60)


def params(text: str) -> list[dict[str, str]]:
    found = pairs(text, MAX_PARAMS, _MAX_NAME, _MAX_VALUE)
    return [{"name": name, "value": value} for name, value in found]


def category(text: str) -> tuple[str, ...]:
    """`居家/被枕`: the path from the top, three levels at most."""
    path = tuple(part.strip() for part in re.split(r"[/／>]", text) if part.strip())
    if len(path) > 3:
        raise BadCell("too_many", limit=3)
    for name in path:
        _as_in(Category, "name")(name)
    return path


def picture(text: str) -> str:
    """The address of a picture, kept as it is: whole, or a path of ours."""
    if not text:
        return ""
    is_whole = re.match(r"https?://[^\s/]+/", text, re.IGNORECASE)
    is_path = re.fullmatch(r"[\w./%+()-]+", text) and ".." not in text
    if re.search(r"[\s<>\"'\\]", text) or not (is_whole or is_path):
        raise BadCell("bad_picture", value=text)
    return _as_in(Sku, "picture")(text)


def pictures(text: str) -> list[str]:
    found = list(dict.fromkeys(picture(part) for part in re.split(r"[\s|]+", text) if part))
    if len(found) > MAX_PICTURES:
        raise BadCell("too_many", limit=MAX_PICTURES)
    return found


def tags(text: str) -> list[str]:
    parts = (part.strip() for part in re.split(r"[,，;；|]", text))
    found = list(dict.fromkeys(_as_in(Product, "tags")(part) for part in parts if part))
    if len(found) > MAX_TAGS:
        raise BadCell("too_many", limit=MAX_TAGS)
    return found


def description(text: str) -> str:
    return clean_html(_text(_MAX_DESCRIPTION)(text))


@dataclass(frozen=True)
class Column:
    """What a heading means. `of_product`: every row of one product says the same."""

    key: str
    headings: tuple[str, ...]
    read: Callable[[str], Any]
    is_required: bool = False
    of_product: bool = True


def _column(key: str, headings: str, read: Callable[[str], Any], **more: bool) -> Column:
    return Column(key, tuple(headings.split("|")), read, **more)


COLUMNS: Final = (
    _column("code", "商品编号|商品编码|货号|product_code|code", _as_in(Product, "code"),
            is_required=True),
    _column("name", "商品名称|名称|product_name|name", _as_in(Product, "name"), is_required=True),
    _column("subtitle", "简介|副标题|卖点|subtitle", _as_in(Product, "subtitle")),
    _column("category", "类目|分类|商品分类|category", category),
    _column("brand", "品牌|brand", _as_in(Product, "brand")),
    _column("unit", "单位|unit", _as_in(Product, "unit")),
    _column("picture", "主图|图片|picture|image", picture),
    _column("pictures", "图片列表|轮播图|pictures|images", pictures),
    _column("keywords", "关键词|搜索词|keywords", _as_in(Product, "keywords")),
    _column("params", "参数|商品参数|params|parameters", params),
    _column("tags", "标签|tags", tags),
    _column("description", "详情|商品详情|描述|description", description),
    _column("specs", "规格|specs|specifications", specs, of_product=False),
    _column("price", "售价(元)|售价|价格(元)|价格|price|price_yuan|price(yuan)", price,
            is_required=True, of_product=False),
    _column("market_price",
            "划线价(元)|划线价|市场价(元)|市场价|market_price|market_price_yuan|market_price(yuan)",
            price, of_product=False),
    _column("stock", "库存|库存数量|stock|quantity", count, of_product=False),
    _column("on_sale", "上架|是否上架|on_sale", choice, of_product=False),
    _column("sku_code", "规格编号|规格编码|sku编号|sku编码|sku_code|sku", _as_in(Sku, "code"),
            of_product=False),
    _column("barcode", "条码|条形码|barcode", _as_in(Sku, "barcode"), of_product=False),
    _column("weight_g", "重量(克)|重量(g)|weight_g|weight(g)", weight, of_product=False),
    _column("sku_picture", "规格图|规格图片|sku_picture", picture, of_product=False),
)  # fmt: skip


def heading(text: str) -> str:
    """A heading as it is compared: any width, any case, spaces and underscores alike."""
    return re.sub(r"[\s_*]+", "", _halved(text).casefold())


BY_HEADING: Final = {heading(name): column for column in COLUMNS for name in column.headings}
