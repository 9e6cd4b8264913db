"""Products and categories at the desk."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pytest_django import Settings

from shop.models import Category, Product, Sku, Stock
from tests.backend.desk import Shop, address, errors, filled, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours(settings: Settings, tmp_path: Any) -> Shop:
    settings.MEDIA_ROOT = tmp_path
    return open_shop("Ours")


@pytest.fixture
def client(ours: Shop) -> Client:
    return ours.owner


def change(ours: Shop) -> str:
    return address(Product, "change", ours.one(Product).pk)


def png() -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(out, "PNG")
    return SimpleUploadedFile("../../any name.png", out.getvalue())


def row(number: int, **values: Any) -> dict[str, Any]:
    return {f"skus-{number}-{name}": value for name, value in values.items()}


NEW_SKU = {
    "code": "K2", "spec_values": "blue", "price_fen": "7000", "weight_g": "0", "sort": "1",
    "on_sale": "on",
}  # fmt: skip


def test_saving_a_page_nobody_changed_changes_nothing(ours: Shop, client: Client) -> None:
    before = Product.objects.values().get(pk=ours.one(Product).pk)

    answer = client.post(change(ours), filled(client.get(change(ours))))

    assert answer.status_code == 302
    after = Product.objects.values().get(pk=ours.one(Product).pk)
    kept_up = {"updated_at", "search", "price_min_fen", "price_max_fen"}
    assert {k: v for k, v in after.items() if k not in kept_up} == {
        k: v for k, v in before.items() if k not in kept_up
    }


def test_a_changed_price_is_the_products_price_at_once(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours))) | row(0, price_fen="4900")
    form |= row(1, **NEW_SKU) | {"skus-TOTAL_FORMS": "2"}

    assert client.post(change(ours), form).status_code == 302

    product = Product.objects.get(pk=ours.one(Product).pk)
    assert (product.price_min_fen, product.price_max_fen) == (4900, 7000)
    new = Sku.objects.get(code="K2")
    assert (new.merchant_id, new.spec_values) == (ours.merchant.pk, ["blue"])


def test_a_new_sku_gets_an_empty_shelf_at_the_default_store(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours))) | row(1, **NEW_SKU) | {"skus-TOTAL_FORMS": "2"}

    client.post(change(ours), form)

    shelf = Stock.objects.get(sku__code="K2")
    assert (shelf.available, shelf.held, shelf.store.is_default) == (0, 0, True)
    assert Stock.objects.filter(sku=ours.one(Sku)).count() == 1


def test_what_was_sold_meanwhile_is_not_written_back(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours)))
    pk = ours.one(Product).pk
    with CaptureQueriesContext(connection) as queries:
        client.post(change(ours), form | {"name": "Ours renamed"})

    (update,) = [
        query["sql"] for query in queries if query["sql"].startswith('UPDATE "shop_product"')
    ]
    assert '"sold"' not in update
    assert '"search"' not in update
    assert Product.objects.get(pk=pk).name == "Ours renamed"


def test_the_description_is_cleaned(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours)))
    form["description"] = '<p onclick="x()">Good</p><script>alert(1)</script>'

    client.post(change(ours), form)

    assert Product.objects.get(pk=ours.one(Product).pk).description == "<p>Good</p>"


def test_specifications_and_parameters_are_lines(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours)))
    assert form["specs"] == "Colour: red, blue"
    form |= {"specs": "Colour：red，green\nSize: S、M", "params": "Made of: wool: fine"}
    form |= row(0, spec_values="red, M")

    assert client.post(change(ours), form).status_code == 302

    product = Product.objects.get(pk=ours.one(Product).pk)
    assert product.params == [{"name": "Made of", "value": "wool: fine"}]
    assert product.specs == [
        {
            "name": "Colour",
            "values": [{"value": "red", "picture": "kept.jpg"}, {"value": "green", "picture": ""}],
        },
        {"name": "Size", "values": [{"value": "S", "picture": ""}, {"value": "M", "picture": ""}]},
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"specs": "Colour"}, "specs"),
        ({"specs": "A: 1\nA: 2"}, "specs"),
        ({"specs": "A: 1\nB: 2\nC: 3\nD: 4"}, "specs"),
        ({"specs": "Size: S"}, "0-spec_values"),
        ({"params": "x"}, "params"),
        ({"tags": "t" * 21}, "tags"),
        ({"tags": "a\x00b"}, "tags"),
        ({"pictures": "../../etc/passwd"}, "pictures"),
        ({"pictures": "/etc/passwd"}, "pictures"),
        ({"pictures": "javascript:alert(1)"}, "pictures"),
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"sort_weight": "99999999999"}, "sort_weight"),
        (row(0, price_fen="-1"), "0-price_fen"),
        (row(0, price_fen="9" * 25), "0-price_fen"),
        (row(0, price_fen="1.5"), "0-price_fen"),
        (row(0, spec_values="red, red2"), "0-spec_values"),
        (row(0, market_price_fen="-5"), "0-market_price_fen"),
        (row(0, weight_g="-5"), "0-weight_g"),
        (row(0, picture="../x"), "0-picture"),
        (
            {
                "sale_starts_at_0": "2026-01-02", "sale_starts_at_1": "00:00",
                "sale_ends_at_0": "2026-01-01", "sale_ends_at_1": "00:00",
            },
            "sale_ends_at",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    wrong: dict[str, Any], field: str, ours: Shop, client: Client
) -> None:
    before = list(Product.objects.values_list()), list(Sku.objects.values_list())

    answer = client.post(change(ours), filled(client.get(change(ours))) | wrong)

    assert answer.status_code == 200
    assert field in errors(answer)
    assert (list(Product.objects.values_list()), list(Sku.objects.values_list())) == before


def test_a_code_is_used_once_in_a_shop_and_again_in_another(ours: Shop, client: Client) -> None:
    theirs = open_shop("Theirs")
    ours_too = Product.objects.create(merchant=ours.merchant, code="used", name="x")
    form = filled(client.get(change(ours)))

    again = client.post(change(ours), form | {"code": ours_too.code})
    free = client.post(change(ours), form | {"code": theirs.one(Product).code})

    assert again.status_code == 200
    assert free.status_code == 302


def test_two_skus_of_one_combination_are_refused(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours))) | {"skus-TOTAL_FORMS": "2"}

    answer = client.post(change(ours), form | row(1, **NEW_SKU | {"spec_values": "red"}))

    assert answer.status_code == 200
    assert Sku.objects.filter(product=ours.one(Product)).count() == 1


def test_a_strangers_sku_cannot_be_slipped_into_the_page(ours: Shop, client: Client) -> None:
    theirs = open_shop("Theirs")
    form = filled(client.get(change(ours))) | row(0, id=theirs.one(Sku).pk, price_fen="1")

    answer = client.post(change(ours), form)

    assert answer.status_code == 200
    assert Sku.objects.get(pk=theirs.one(Sku).pk).price_fen == 5000
    assert Sku.objects.get(pk=theirs.one(Sku).pk).merchant_id == theirs.merchant.pk


def test_uploaded_pictures_come_after_those_there_are(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours)))

    assert client.post(change(ours), form | {"upload": [png(), png()]}).status_code == 302

    first, *new = Product.objects.get(pk=ours.one(Product).pk).pictures
    assert first == "demo/one.jpg"
    assert len(new) == 2
    for path in new:
        assert path.startswith(f"goods/{ours.merchant.pk}/")
        assert "any name" not in path
        assert default_storage.exists(path)


def test_what_is_no_picture_is_refused_at_its_field(ours: Shop, client: Client) -> None:
    form = filled(client.get(change(ours)))
    sent = SimpleUploadedFile("x.png", b"<svg onload=alert(1)>", content_type="image/png")

    answer = client.post(change(ours), form | {"upload": [sent]})

    assert "upload" in errors(answer)
    assert len(Product.objects.get(pk=ours.one(Product).pk).pictures) == 1


def test_a_new_product_is_sold_once_it_has_a_sku(ours: Shop, client: Client) -> None:
    page = address(Product, "add")
    form = filled(client.get(page)) | {"name": "New", "code": "N", "skus-TOTAL_FORMS": "1"}
    form |= row(0, **NEW_SKU | {"spec_values": ""})

    assert client.post(page, form).status_code == 302

    product = Product.objects.get(code="N")
    assert (product.merchant_id, product.price_min_fen) == (ours.merchant.pk, 7000)
    assert product.search
    assert Stock.objects.filter(sku__product=product).count() == 1


def test_what_was_ever_stocked_is_taken_off_sale_and_not_deleted(
    ours: Shop, client: Client
) -> None:
    delete = address(Product, "delete", ours.one(Product).pk)
    form = filled(client.get(change(ours))) | row(0, DELETE="on")

    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert client.post(change(ours), form).status_code == 200

    assert Sku.objects.filter(pk=ours.one(Sku).pk).exists()
    assert Stock.objects.filter(sku=ours.one(Sku)).get().available == 10


def test_what_was_never_stocked_may_go(ours: Shop, client: Client) -> None:
    product = Product.objects.create(merchant=ours.merchant, code="d", name="draft")
    sku = Sku.objects.create(merchant=ours.merchant, product=product, code="d", price_fen=1)
    Stock.objects.create(merchant=ours.merchant, sku=sku, store=ours.one(Stock).store)

    answer = client.post(address(Product, "delete", product.pk), {"post": "yes"})

    assert answer.status_code == 302
    assert not Product.objects.filter(pk=product.pk).exists()


@pytest.mark.parametrize("words", ["Ours prod", "Ours-P", "Ours-K"])
def test_a_product_is_found_by_name_and_code(words: str, client: Client) -> None:
    seen = client.get(address(Product, "changelist"), {"q": words})

    assert seen.context["cl"].result_count == 1
    assert [product.how_many for product in seen.context["cl"].result_list] == [1]


def test_several_products_go_on_and_off_sale_at_once(ours: Shop, client: Client) -> None:
    pk = ours.one(Product).pk
    for action, on_sale in (("take_off_sale", False), ("put_on_sale", True)):
        client.post(
            address(Product, "changelist"),
            {"action": action, "_selected_action": [pk], "select_across": "0", "index": "0"},
        )
        assert Product.objects.get(pk=pk).on_sale is on_sale


def category(ours: Shop, parent: Category | None, name: str) -> Category:
    return Category.objects.create(merchant=ours.merchant, parent=parent, name=name)


def test_categories_go_three_levels_deep(ours: Shop, client: Client) -> None:
    first = ours.one(Category)
    second = category(ours, first, "second")
    third = category(ours, second, "third")
    alone = category(ours, None, "alone")
    category(ours, alone, "below alone")

    def moved(row: Category, parent: Category) -> Any:
        page = address(Category, "change", row.pk)
        return client.post(page, filled(client.get(page)) | {"parent": parent.pk})

    assert "parent" in errors(moved(alone, second))
    assert "parent" in errors(moved(first, third))
    assert "parent" in errors(moved(first, first))
    page = address(Category, "add")
    deeper = client.post(page, filled(client.get(page)) | {"name": "x", "parent": third.pk})
    assert "parent" in errors(deeper)
    assert moved(alone, first).status_code == 302


def test_a_category_keeps_the_picture_that_was_uploaded(ours: Shop, client: Client) -> None:
    page = address(Category, "change", ours.one(Category).pk)

    answer = client.post(page, filled(client.get(page)) | {"upload": png()})

    assert answer.status_code == 302
    path = Category.objects.get(pk=ours.one(Category).pk).picture
    assert path.startswith(f"goods/{ours.merchant.pk}/")
    assert default_storage.exists(path)


def test_a_category_with_goods_in_it_stays(ours: Shop, client: Client) -> None:
    client.post(address(Category, "delete", ours.one(Category).pk), {"post": "yes"})

    assert Category.objects.filter(pk=ours.one(Category).pk).exists()
