"""A catalogue comes in whole; a second time, nothing changes; what it doesn't name stays."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shop.imports import NoStore, import_catalogue
from shop.models import Category, Merchant, Product, Sku, Stock, StockMovement
from tests.shop.conftest import open_shop
from tests.shop.files import OURS, counts, faults, found, sheet, snapshot, text
from tests.shop.goods import default_store, store

pytestmark = pytest.mark.django_db

THEIRS = Path(__file__).parents[3] / "shared" / "data" / "catalogue.csv"


@pytest.fixture
def shop(merchant: Merchant) -> Merchant:
    default_store(merchant)
    return merchant


# The whole file


def test_our_catalogue_comes_in_whole_and_a_second_time_changes_nothing(shop: Merchant) -> None:
    report = import_catalogue(OURS, shop)
    assert counts(report) == (36, 0, 0, 40, 0, 0)

    quilt = Product.objects.get(code="S1002")
    assert (quilt.subtitle, quilt.brand, quilt.unit) == ('手工铺絮, "不跑绒"', "山野制造商", "件")
    assert (quilt.price_min_fen, quilt.price_max_fen, quilt.market_price_fen) == (
        65900, 150000, 89900,
    )  # fmt: skip
    assert quilt.specs == [
        {
            "name": "尺寸",
            "values": [
                {"value": "1.5米床*1+枕套*1", "picture": ""},
                {"value": "1.8米床*1+枕套*2", "picture": ""},
            ],
        },
        {
            "name": "颜色",
            "values": [{"value": "米白", "picture": ""}, {"value": "烟灰", "picture": ""}],
        },
    ]
    assert quilt.pictures == ["https://pictures.example.com/S1002.png"]
    assert quilt.category is not None
    assert quilt.category.parent is not None
    assert (quilt.category.parent.name, quilt.category.name) == ("居家", "被枕")
    assert list(quilt.skus.values_list("spec_values", "price_fen", "market_price_fen")) == [
        (["1.5米床*1+枕套*1", "米白"], 65900, 89900),
        (["1.5米床*1+枕套*1", "烟灰"], 66900, 89900),
        (["1.8米床*1+枕套*2", "米白"], 75900, 69900),
        (["1.8米床*1+枕套*2", "烟灰"], 150000, 169900),
    ]
    stock = Stock.objects.filter(sku__product=quilt).order_by("sku")
    assert list(stock.values_list("available", flat=True)) == [100, 0, 198, 2]
    assert Product.objects.get(code="S1005").params[0] == {
        "name": "外套材质",
        "value": "帆布：100%棉；弹力布：锦纶80%氨纶20%",
    }
    assert Product.objects.get(code="S1010").on_sale is False
    assert Sku.objects.get(product__code="S1006").price_fen == 239900
    assert found(shop, "羊毛被") == ["秋冬加厚澳洲羊毛被"]
    assert found(shop, "4k 显示器") == ["4K 显示器 27 英寸"]
    moved = StockMovement.objects.filter(reason="received")
    assert sum(moved.values_list("available_delta", flat=True)) == sum(
        Stock.objects.values_list("available", flat=True)
    )

    before = snapshot()
    again = import_catalogue(OURS, shop)
    assert counts(again) == (0, 0, 36, 0, 0, 40)
    assert snapshot() == before


def test_a_second_time_writes_no_row_at_all(shop: Merchant) -> None:
    import_catalogue(OURS, shop)
    with CaptureQueriesContext(connection) as queries:
        import_catalogue(OURS, shop)
    written = [q["sql"] for q in queries if q["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert written == []
    assert len(queries) < 20


def test_a_changed_price_changes_one_sku(shop: Merchant) -> None:
    import_catalogue(OURS, shop)
    rows = list(csv.reader(io.StringIO(OURS.read_text("utf-8-sig"))))
    rows[4][6] = "758.99"
    changed = io.StringIO()
    csv.writer(changed).writerows(rows)

    before = snapshot()
    report = import_catalogue(io.BytesIO(changed.getvalue().encode()), shop)

    assert counts(report) == (0, 0, 36, 0, 1, 39)
    differing = [
        sum(a != b for a, b in zip(old, new, strict=True))
        for old, new in zip(before, snapshot(), strict=True)
    ]
    assert differing == [0, 0, 1, 0, 0]
    assert Sku.objects.filter(price_fen=75899).count() == 1


def test_a_real_shops_catalogue_comes_in_whole(shop: Merchant) -> None:
    if not THEIRS.exists():
        pytest.skip(f"{THEIRS} is not on this machine: a catalogue of our own is tested instead")

    assert counts(import_catalogue(THEIRS, shop)) == (239, 0, 0, 244, 0, 0)
    assert found(shop, "羊毛被")[:2] == ["秋冬保暖加厚澳洲羊毛被"]
    before = snapshot()
    assert counts(import_catalogue(THEIRS, shop)) == (0, 0, 239, 0, 0, 244)
    assert snapshot() == before
    changed = THEIRS.read_bytes().replace(b",1001.00,", b",1002.00,")
    assert counts(import_catalogue(io.BytesIO(changed), shop)) == (0, 0, 239, 0, 1, 243)


def test_a_dry_run_counts_and_writes_nothing(shop: Merchant) -> None:
    before = snapshot()
    report = import_catalogue(OURS, shop, is_dry_run=True)
    assert counts(report) == (36, 0, 0, 40, 0, 0)
    assert report.is_dry_run
    assert snapshot() == before


def test_two_shops_may_have_the_same_codes(shop: Merchant) -> None:
    other = open_shop("别家")[0]
    default_store(other)
    import_catalogue(OURS, shop)
    assert counts(import_catalogue(OURS, other)) == (36, 0, 0, 40, 0, 0)
    assert Category.objects.filter(merchant=other).count() == Category.objects.filter(
        merchant=shop
    ).count()  # fmt: skip


# Kinds of files


def test_xlsx_with_english_headings_says_the_same(shop: Merchant) -> None:
    header = "Product Code,name,specs,price,market_price,stock,on_sale,tags,pictures,description"
    file = sheet(
        (
            1006002,
            "四件套",
            "色:白;码:1.5",
            459.9,
            500,
            7,
            True,
            "新品,热销",
            "a.png b.png",
            "<p>好</p>",
        ),
        (1006002, "四件套", "色:白;码:1.8", "¥1,459.90", None, 8.0, None, None, None, None),
        header=header,
    )

    assert counts(import_catalogue(file, shop)) == (1, 0, 0, 2, 0, 0)
    made = Product.objects.get()
    assert (made.code, made.tags, made.pictures) == (
        "1006002",
        ["新品", "热销"],
        ["a.png", "b.png"],
    )
    assert list(made.skus.values_list("price_fen", "market_price_fen")) == [
        (45990, 50000),
        (145990, None),
    ]
    file.seek(0)
    assert counts(import_catalogue(file, shop)) == (0, 0, 1, 0, 0, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_utf_8_and_gb18030_are_read(shop: Merchant, encoding: str) -> None:
    import_catalogue(text("a,羊毛被𠀀,色:白,1,1", encoding=encoding), shop)
    assert Product.objects.get().name == "羊毛被𠀀"


def test_tabs_and_windows_lines_are_read(shop: Merchant) -> None:
    file = io.BytesIO(
        "商品编号\t商品名称\t售价\r\na\t被子, 厚\t1.5\r\n\r\nb\t枕头\t２.５\r\n".encode()
    )
    assert counts(import_catalogue(file, shop)) == (2, 0, 0, 2, 0, 0)
    assert list(Sku.objects.order_by("code").values_list("price_fen", flat=True)) == [150, 250]


@pytest.mark.parametrize(
    ("written", "fen"),
    [("0", 0), ("0.1", 10), ("19.99", 1999), ("¥ 1,234.50", 123450), ("99999999.99", 9999999999),
     ("１２．３０", 1230), ("8.", 800), (".5", 50), ("+3", 300), ("1.100", 110), ("88元", 8800)],
)  # fmt: skip
def test_yuan_become_fen_to_the_last_one(shop: Merchant, written: str, fen: int) -> None:
    import_catalogue(text(f'a,被子,色:白,"{written}",'), shop)
    assert Sku.objects.get().price_fen == fen


def test_a_hundredth_of_a_float_is_a_fen(shop: Merchant) -> None:
    prices = [0.07, 0.29, 1.1, 4.35, 8.2, 19.99, 1001.01, 0.1 + 0.2]
    import_catalogue(sheet(*((f"p{i}", "被", "色:白", p, 1) for i, p in enumerate(prices))), shop)
    assert list(Sku.objects.order_by("pk").values_list("price_fen", flat=True)) == [
        7, 29, 110, 435, 820, 1999, 100101, 30,
    ]  # fmt: skip


# What is there already


def test_columns_the_file_does_not_have_stay(shop: Merchant) -> None:
    import_catalogue(OURS, shop)
    Product.objects.filter(code="S1001").update(sort_weight=7, tags=["手选"])
    mug = Product.objects.get(code="S1001")

    import_catalogue(text("S1001,新名字,88", header="商品编号,商品名称,售价"), shop)

    after = Product.objects.get(code="S1001")
    assert (after.name, after.tags, after.sort_weight) == ("新名字", ["手选"], 7)
    assert (after.params, after.category_id, after.specs) == (
        mug.params, mug.category_id, mug.specs,
    )  # fmt: skip
    assert after.skus.get().price_fen == after.price_min_fen == 8800
    assert found(shop, "新名字") == ["新名字"]


def test_a_new_sku_joins_a_product_and_the_others_stay(shop: Merchant) -> None:
    import_catalogue(text("a,被子,色:白,1,1", "a,被子,色:黑,2,1"), shop)
    first = Product.objects.get()
    first.specs[0]["values"][0]["picture"] = "white.png"
    first.save()

    report = import_catalogue(text("a,被子,色:红,3,5"), shop)

    assert counts(report) == (0, 1, 0, 1, 0, 0)
    after = Product.objects.get()
    assert [value["value"] for value in after.specs[0]["values"]] == ["白", "黑", "红"]
    assert after.specs[0]["values"][0]["picture"] == "white.png"
    assert (after.price_min_fen, after.price_max_fen) == (100, 300)


def test_which_sku_is_meant_has_to_be_clear(shop: Merchant) -> None:
    import_catalogue(text("a,被子,色:白,1,1", "a,被子,色:黑,2,1", "b,枕头,色:白,1,1"), shop)

    assert faults(shop, text("a,被子,1", header="商品编号,商品名称,售价")) == [
        (2, "商品编号", "sku_unclear")
    ]
    assert faults(shop, text("a,被子,色:白;码:大,1,1")) == [(2, "规格", "spec_count_differs")]
    taken = Sku.objects.get(product__code="b").code
    header = "商品编号,商品名称,规格,售价,规格编号"
    assert faults(shop, text(f"a,被子,色:红,1,{taken}", header=header)) == [
        (2, "规格编号", "code_taken")
    ]
    swap = [f"a,被子,色:{value},1,{sku.code}" for value, sku in zip(
        "黑白", Sku.objects.filter(product__code="a").order_by("pk"), strict=True)]  # fmt: skip
    assert faults(shop, text(*swap, header=header)) == [(None, "", "conflict")]


def test_off_sale_takes_the_product_and_one_row_takes_its_sku(shop: Merchant) -> None:
    header = "商品编号,商品名称,规格,售价,上架"
    import_catalogue(text("a,被,色:白,1,否", "a,被,色:黑,2,否", header=header), shop)
    assert Product.objects.get().on_sale is False
    assert list(Sku.objects.values_list("on_sale", flat=True)) == [True, True]

    import_catalogue(text("a,被,色:白,1,是", "a,被,色:黑,2,否", header=header), shop)
    assert Product.objects.get().on_sale is True
    assert list(Sku.objects.order_by("pk").values_list("on_sale", flat=True)) == [True, False]


def test_a_description_comes_in_clean(shop: Merchant) -> None:
    header = "商品编号,商品名称,售价,详情"
    file = text('a,被,1,"<p onclick=""x"">好</p><script>x</script>"', header=header)
    import_catalogue(file, shop)
    assert Product.objects.get().description == "<p>好</p>"
    file.seek(0)
    assert counts(import_catalogue(file, shop)) == (0, 0, 1, 0, 0, 1)


def test_stock_comes_with_new_skus_only_unless_it_is_asked_for(shop: Merchant) -> None:
    import_catalogue(text("a,被子,色:白,1,5", "b,枕头,色:白,1,0"), shop)
    import_catalogue(text("a,被子,色:白,1,9", "b,枕头,色:白,1,3"), shop)
    shelves = Stock.objects.order_by("pk")
    assert list(shelves.values_list("available", flat=True)) == [5, 0]

    report = import_catalogue(text("a,被子,色:白,1,2", "b,枕头,色:白,1,3"), shop, set_stock=True)

    assert report.stock_rows == 2
    assert list(shelves.values_list("available", flat=True)) == [2, 3]
    assert list(
        StockMovement.objects.order_by("pk").values_list("reason", "available_delta")
    ) == [("received", 5), ("counted", 3), ("counted", -3)]  # fmt: skip
    again = import_catalogue(text("a,被子,色:白,1,2", "b,枕头,色:白,1,"), shop, set_stock=True)
    assert again.stock_rows == 0


def test_stock_goes_to_the_store_that_is_named(shop: Merchant) -> None:
    branch = store(shop, "分店")
    import_catalogue(text("a,被子,色:白,1,5"), shop, store=branch.code)
    assert Stock.objects.get().store_id == branch.pk

    import_catalogue(text("a,被子,色:白,1,7"), shop, set_stock=True)
    assert sorted(Stock.objects.values_list("store__name", "available")) == [
        ("分店", 5),
        ("总店", 7),
    ]

    foreign = store(open_shop("别家")[0], "别家")
    for code in ("没有", foreign.code):
        with pytest.raises(NoStore):
            import_catalogue(text("a,被子,色:白,1,5"), shop, store=code)
