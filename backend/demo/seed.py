"""The demo merchant, put into a database that doesn't have it yet: all of it or nothing."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import zlib
from decimal import Decimal
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from backend.demo import OPERATOR, OWNER, SLUG, pictures
from backend.demo.goods import CATEGORIES, GOODS, Good
from backend.demo.words import (
    BANNERS,
    BOX_CODE,
    LEGAL,
    MESSAGES,
    NOTICES,
    PRESENT,
    SALE,
    SECTIONS,
    STORES,
    TEMPLATES,
)
from coupons import codes, offers, promotions
from coupons.models import CodeBatch, CouponTemplate, Way
from shop import stock
from shop.catalogue import clean_html, refresh
from shop.models import (
    Banner,
    Category,
    HomeSection,
    LegalDocument,
    Merchant,
    MessageTemplate,
    MiniProgram,
    Notice,
    PayAccount,
    Product,
    Sku,
    Staff,
    Stock,
    Store,
)

log = logging.getLogger(__name__)

# What the sandbox knows from its start (backend/wechat/sandbox/accounts.py).
_ACCOUNT: Final = {
    "appid": "wx5a3d0b7c9e1f2468",
    "secret": "sandbox-secret-0123456789abcdef0",
    "mch_id": "1900000109",
    "api_key": "sandboxkey0123456789abcdef012345",
}


def seed() -> bool:
    """The demo merchant is there with all it sells; say whether it is new."""
    if Merchant.objects.filter(slug=SLUG).exists():
        return False
    with transaction.atomic():
        merchant = _merchant()
        stores = _stores(merchant)
        categories = _categories(merchant)
        products = [_product(merchant, categories, good) for good in GOODS]
        refresh(product.pk for product in products)
        _fill_shelves(merchant, stores)
        _window(merchant, {product.code: product for product in products})
        _templates(merchant)
        _promotions(merchant)
        _messages(merchant)
        _people(merchant)
    return True


def _store_picture(name: str, content: bytes) -> str:
    """The picture's path; a picture of that name is drawn over, so that it is the same one."""
    path = f"demo/{name}.jpg"
    if default_storage.exists(path):
        default_storage.delete(path)
    return default_storage.save(path, ContentFile(content))


def _merchant() -> Merchant:
    merchant = Merchant.objects.create(
        name="山野小集",
        slug=SLUG,
        logo=_store_picture("logo", pictures.draw("teapot", pictures.COLOURS["抹茶"])),
        service_phone="400-000-0000",
        service_hours="每天 9:00–21:00",
        licences=[{"name": "营业执照（示例）", "number": "DEMO-0001"}],
        freight_fen=800,
        freight_free_over_fen=9900,
    )
    MiniProgram.objects.create(
        merchant=merchant,
        name="山野小集",
        appid=_ACCOUNT["appid"],
        secret=_ACCOUNT["secret"],
    )
    PayAccount.objects.create(
        merchant=merchant,
        appid=_ACCOUNT["appid"],
        mch_id=_ACCOUNT["mch_id"],
        api_key=_ACCOUNT["api_key"],
    )
    return merchant


def _stores(merchant: Merchant) -> list[Store]:
    return [
        Store.objects.create(
            merchant=merchant,
            latitude=Decimal(latitude),
            longitude=Decimal(longitude),
            hours=[list(day) for day in hours],
            **facts,
        )
        for latitude, longitude, hours, facts in STORES
    ]


def _categories(merchant: Merchant) -> dict[str, Category]:
    """Every category by its path."""
    found: dict[str, Category] = {}

    def add(path: str, parent: Category | None, drawing: str, sort: int) -> Category:
        name = path.rpartition("/")[2]
        picture = pictures.draw(drawing, pictures.any_colour(name)) if parent is None else b""
        found[path] = Category.objects.create(
            merchant=merchant,
            parent=parent,
            name=name,
            sort=sort,
            picture=_store_picture(f"category-{sort}", picture) if picture else "",
        )
        return found[path]

    for sort, (name, (drawing, below)) in enumerate(CATEGORIES.items()):
        first = add(name, None, drawing, sort)
        for place, (child, leaves) in enumerate(below.items()):
            second = add(f"{name}/{child}", first, drawing, place)
            for last, leaf in enumerate(leaves):
                add(f"{name}/{child}/{leaf}", second, drawing, last)
    return found


def _product(merchant: Merchant, categories: dict[str, Category], good: Good) -> Product:
    colour = pictures.COLOURS.get(good.colour) or pictures.any_colour(good.code)
    stem = good.code.lower()
    shown = [
        _store_picture(f"{stem}-1", pictures.draw(good.drawing, colour)),
        _store_picture(f"{stem}-2", pictures.pattern(good.drawing, colour)),
    ]
    tints = {
        value: _store_picture(
            f"{stem}-{zlib.crc32(value.encode()):08x}",
            pictures.draw(good.drawing, pictures.COLOURS[value]),
        )
        for name, values in good.specs
        for value in values
        if name == "颜色"
    }
    now = timezone.now()
    day = dt.timedelta(days=1)
    starts, ends = {
        "scheduled": (now + 14 * day, None),
        "over": (now - 60 * day, now - 2 * day),
    }.get(good.state, (None, None))
    product = Product.objects.create(
        merchant=merchant,
        category=categories[good.category],
        code=good.code,
        name=good.name,
        subtitle=good.subtitle,
        brand="山野小集",
        unit=good.unit,
        pictures=shown,
        description=_description(good),
        params=[{"name": name, "value": value} for name, value in good.params],
        specs=[
            {
                "name": name,
                "values": [{"value": value, "picture": tints.get(value, "")} for value in values],
            }
            for name, values in good.specs
        ],
        tags=list(good.tags),
        keywords=good.keywords,
        on_sale=good.state != "off",
        sale_starts_at=starts,
        sale_ends_at=ends,
        sort_weight=good.sold // 100,
        no_reason_return=good.returnable,
        no_return_ground="" if good.returnable else _ground(good),
        sold=good.sold,
    )
    Sku.objects.bulk_create(_skus(merchant, product, good, tints))
    return product


def _ground(good: Good) -> str:
    return "礼品卡激活后不支持无理由退货" if good.drawing == "card" else "食品、鲜活或贴身用品"


def _description(good: Good) -> str:
    facts = "".join(f"<li>{name}：{value}</li>" for name, value in good.params)
    return clean_html(
        f"<h3>{good.subtitle}</h3><p>{good.story}</p><ul>{facts}</ul>"
        "<p><em>本店为演示商店，图片由程序绘制，商品均不真实出售。</em></p>"
    )


def _skus(merchant: Merchant, product: Product, good: Good, tints: dict[str, str]) -> list[Sku]:
    skus = []
    choices = itertools.product(*(values.items() for _name, values in good.specs))
    for place, chosen in enumerate(choices):
        more = sum(adds for _value, adds in chosen)
        market = good.market + more if good.market else None
        skus.append(
            Sku(
                merchant=merchant,
                product=product,
                code=f"{good.code}-{place + 1:02d}" if good.specs else good.code,
                barcode=f"69{zlib.crc32(f'{good.code}{place}'.encode()):011d}"[:13],
                spec_values=[value for value, _adds in chosen],
                price_fen=good.price + more,
                market_price_fen=market,
                picture=next((tints[value] for value, _adds in chosen if value in tints), ""),
                weight_g=good.weight,
                sort=place,
            )
        )
    return skus


def _fill_shelves(merchant: Merchant, stores: list[Store]) -> None:
    """The warehouse has everything; the shop by the lake has less, and not every sku."""
    states = {good.code: good.state for good in GOODS}
    for sku in Sku.objects.filter(merchant=merchant).select_related("product").order_by("pk"):
        state = states[sku.product.code]
        luck = zlib.crc32(sku.code.encode())
        for store in stores:
            if not store.is_default and (luck % 5 == 0 or state == "unlimited"):
                continue
            shelf = Stock.objects.create(
                merchant=merchant, sku=sku, store=store, unlimited=state == "unlimited"
            )
            count = 40 + luck % 160 if store.is_default else luck % 25
            # One spec of every ninth or so is sold out everywhere.
            if state in {"sold_out", "unlimited"} or (luck % 9 == 0 and sku.sort):
                continue
            if count:
                stock.receive(shelf, count, reference="首批到货", by="seed_demo")


def _window(merchant: Merchant, products: dict[str, Product]) -> None:
    for sort, (text, drawings, colour, code) in enumerate(BANNERS):
        picture = pictures.banner(drawings, pictures.COLOURS[colour])
        Banner.objects.create(
            merchant=merchant,
            text=text,
            picture=_store_picture(f"banner-{sort + 1}", picture),
            link=f"/pages/goods/details/index?id={products[code].pk}",
            sort=sort,
        )
    for text in NOTICES:
        Notice.objects.create(merchant=merchant, text=text)
    for sort, (title, members) in enumerate(SECTIONS):
        section = HomeSection.objects.create(merchant=merchant, title=title, sort=sort)
        section.products.set([products[code] for code in members])
    now = timezone.now()
    for kind, title, body in LEGAL:
        LegalDocument.objects.create(
            merchant=merchant,
            kind=kind,
            version="1.0",
            title=title,
            body=clean_html(body),
            published_at=now,
        )


def _messages(merchant: Merchant) -> None:
    """Subscribe messages; the sandbox knows any template."""
    program = MiniProgram.objects.get(merchant=merchant)
    for event, template_id in MESSAGES:
        MessageTemplate.objects.create(
            merchant=merchant, program=program, event=event, template_id=template_id,
            keywords={"thing1": "name", "thing2": "text", "time3": "until"},
            page="pages/coupon/index",
        )  # fmt: skip


def _templates(merchant: Merchant) -> None:
    for name, threshold, off, total, each, begins, days in TEMPLATES:
        terms = {"threshold_fen": threshold, "off_fen": off}
        _offer(
            merchant, name, "spend_and_save", terms, begins, days, total=total, per_customer=each
        )
    name, terms, text = BOX_CODE
    inside = _offer(merchant, name, "amount_off", terms, 0, 30, total=5000, way=Way.CODE)
    batch = CodeBatch.objects.create(
        merchant=merchant, template=inside, name=name, text=text, uses=None, by="demo"
    )
    codes.make_some(batch.pk)


def _promotions(merchant: Merchant) -> None:
    itself: dict[str, Any] = {"total": 0, "way": Way.AUTOMATIC}
    name, tiers = SALE
    steps = [{"threshold_fen": threshold, "off_fen": off} for threshold, off in tiers]
    _offer(merchant, name, "spend_and_save", {"tiers": steps}, 0, 0, **itself)
    name, threshold, code = PRESENT
    sku = Sku.objects.get(merchant=merchant, code=code)
    terms = {"sku": sku.pk, "threshold_fen": threshold}
    _offer(merchant, name, "gift", terms, 0, 0, **itself)


def _offer(
    merchant: Merchant,
    name: str,
    kind: str,
    terms: dict[str, Any],
    begins: int,
    days: int,
    **more: Any,
) -> CouponTemplate:
    """A template, claimable from so many days on; valid for days, or until a date where none."""
    promotions.check(kind, terms)
    day = dt.timedelta(days=1)
    starts = timezone.now() + begins * day
    validity: dict[str, Any] = (
        {"valid_days": days} if days else {"valid_from": starts, "valid_until": starts + 400 * day}
    )
    made = CouponTemplate.objects.create(
        merchant=merchant, name=name, kind=kind, terms=terms, is_published=True,
        starts_at=starts, ends_at=starts + 365 * day, **validity, **more,
    )  # fmt: skip
    offers.deal(made)
    return made


def _people(merchant: Merchant) -> None:
    """Two sign-ins. A name that is taken is somebody's: it is left alone."""
    name, password = OWNER
    if User.objects.filter(username=name).exists():
        log.warning("a user %s exists already: the demo merchant has no owner", name)
    else:
        owner = User.objects.create_user(name, password=password, is_staff=True, first_name="掌柜")
        Staff.objects.create(merchant=merchant, user=owner, role=Staff.Role.OWNER)
    name, password = OPERATOR
    if not User.objects.filter(username=name).exists():
        User.objects.create_superuser(name, password=password, first_name="运维")
