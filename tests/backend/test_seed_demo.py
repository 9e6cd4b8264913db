"""The demo merchant: complete, drawn, and made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Sum
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from backend import demo
from backend.wechat.sandbox import accounts
from coupons.models import CouponTemplate
from shop.models import (
    Banner,
    Category,
    HomeSection,
    LegalDocument,
    Merchant,
    MiniProgram,
    PayAccount,
    Product,
    Sku,
    Stock,
    Store,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def seeded(media: Path) -> Merchant:
    call_command("seed_demo")
    return Merchant.objects.get(slug=demo.SLUG)


def test_there_is_enough_to_look_at(seeded: Merchant) -> None:
    assert Product.objects.count() >= 40
    assert Store.objects.count() == 2
    assert CouponTemplate.objects.filter(is_published=True).count() == 9
    assert Category.objects.filter(parent__parent__isnull=False).exists()
    combinations = {len(product.specs) for product in Product.objects.all()}
    assert combinations == {0, 1, 2, 3}
    assert Banner.objects.exists()
    assert HomeSection.objects.filter(products__isnull=False).exists()
    assert {page.kind for page in LegalDocument.objects.all()} == {"terms", "privacy", "returns"}
    assert all("示例" in page.title for page in LegalDocument.objects.all())


def test_every_state_of_a_product_is_there(seeded: Merchant) -> None:
    assert Product.objects.filter(on_sale=False).exists()
    assert Product.objects.filter(sale_starts_at__isnull=False, sale_ends_at=None).exists()
    assert Product.objects.filter(sale_ends_at__isnull=False).exists()
    assert Stock.objects.filter(unlimited=True).exists()
    assert Product.objects.filter(no_reason_return=False).exclude(no_return_ground="").exists()
    empty = Product.objects.annotate(left=Sum("skus__stocks__available")).filter(left=0)
    assert empty.exclude(skus__stocks__unlimited=True).exists()


def test_every_sku_is_one_combination_of_its_product(seeded: Merchant) -> None:
    for product in Product.objects.prefetch_related("skus"):
        values = [[value["value"] for value in spec["values"]] for spec in product.specs]
        wanted = 1
        for some in values:
            wanted *= len(some)
        skus = list(product.skus.all())
        assert len(skus) == wanted, product
        for sku in skus:
            assert all(value in known for value, known in zip(sku.spec_values, values, strict=True))
            assert sku.price_fen > 0
        assert product.price_min_fen == min(sku.price_fen for sku in skus)
        assert product.search


def test_every_count_has_its_movement(seeded: Merchant) -> None:
    shelves = Stock.objects.annotate(moved=Sum("movements__available_delta"))

    assert not shelves.filter(available__gt=0).exclude(available=F("moved")).exists()
    assert not shelves.filter(available=0, movements__isnull=False).exists()
    twice = Sku.objects.annotate(at=Count("stocks")).filter(at=2)
    assert twice.exists()


def test_the_pictures_are_there_and_small(seeded: Merchant, media: Path) -> None:
    named = {
        *(path for product in Product.objects.all() for path in product.pictures),
        *Sku.objects.exclude(picture="").values_list("picture", flat=True),
        *Category.objects.exclude(picture="").values_list("picture", flat=True),
        *Banner.objects.values_list("picture", flat=True),
        seeded.logo,
    }
    drawn = {str(path.relative_to(media)) for path in media.rglob("*.jpg")}

    assert named == drawn
    for path in named:
        assert (media / path).stat().st_size < 60 * 1024
        with Image.open(media / path) as picture:
            assert min(picture.size) >= 360


def test_the_same_pictures_are_drawn_every_time(seeded: Merchant, media: Path) -> None:
    from backend.demo import pictures
    from backend.demo.goods import GOODS

    good = GOODS[0]
    again = pictures.draw(good.drawing, pictures.COLOURS[good.colour])

    assert (media / f"demo/{good.code.lower()}-1.jpg").read_bytes() == again


def test_the_sandbox_knows_its_accounts(seeded: Merchant) -> None:
    program, account = MiniProgram.objects.get(), PayAccount.objects.get()

    assert {
        "appid": program.appid,
        "secret": str(program.secret),
        "mch_id": account.mch_id,
        "api_key": str(account.api_key),
    } == accounts.DEMO
    assert account.appid == program.appid


def test_its_owner_signs_in_and_its_operator_too(seeded: Merchant) -> None:
    for name, password in (demo.OWNER, demo.OPERATOR):
        client = Client()
        answer = client.post(reverse("admin:login"), {"username": name, "password": password})
        assert answer.status_code == 302
        assert client.get(reverse("admin:shop_product_changelist")).status_code == 200


def _everything() -> dict[str, Any]:
    return {
        model.__name__: list(model._default_manager.order_by("pk").values_list())
        for model in (Merchant, Product, Sku, Stock, Category, CouponTemplate, User)
    }


def test_a_second_run_changes_nothing(seeded: Merchant, media: Path) -> None:
    before = _everything(), {path: path.stat().st_mtime_ns for path in media.rglob("*.jpg")}

    call_command("seed_demo")

    after = _everything(), {path: path.stat().st_mtime_ns for path in media.rglob("*.jpg")}
    assert after == before


def test_somebody_else_named_demo_keeps_their_password(media: Path) -> None:
    somebody = User.objects.create_user("demo", password="their-own-77")  # noqa: S106

    call_command("seed_demo")

    somebody.refresh_from_db()
    assert somebody.check_password("their-own-77")
    assert not somebody.is_staff


def test_a_production_is_not_seeded(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_settings, "PRODUCTION", True)

    with pytest.raises(CommandError, match="refuses in production"):
        call_command("seed_demo")

    assert not Merchant.objects.exists()
    assert not list(media.rglob("*.jpg"))
