"""`manage.py import_catalogue` as somebody at a terminal meets it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from shop.imports import import_catalogue
from shop.models import Merchant, Product, Sku, Stock
from tests.shop.conftest import at_once, open_shop
from tests.shop.files import OURS
from tests.shop.goods import default_store, store

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_catalogue", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_says_what_it_wrote(merchant: Merchant) -> None:
    default_store(merchant)
    assert "products_created 36\n" in run(str(OURS), "--merchant", merchant.slug, "--dry-run")[0]
    assert Product.objects.count() == 0

    out, err = run(str(OURS), "--merchant", merchant.slug)
    assert "products_created 36\n" in out
    assert "skus_created 40\n" in out
    assert err == ""
    assert "skus_unchanged 40\n" in run(str(OURS), "--merchant", merchant.slug)[0]


def test_every_fault_is_a_line_and_nothing_is_written(merchant: Merchant, tmp_path: Path) -> None:
    default_store(merchant)
    path = tmp_path / "bad.csv"
    path.write_text("商品编号,商品名称,售价(元)\na,被子,abc\nb,,1\n")
    err = io.StringIO()

    with pytest.raises(CommandError, match="2"):
        call_command("import_catalogue", str(path), "--merchant", merchant.slug, stderr=err)

    first, second = err.getvalue().splitlines()
    assert first.startswith("2 售价(元): ")
    assert first.endswith("[bad_price]")
    assert second.startswith("3 商品名称: ")
    assert Product.objects.count() == 0


@pytest.mark.parametrize(
    ("file", "slug", "options"),
    [
        ("absent.csv", "", []),
        (".", "", []),
        (str(OURS), "nobody", []),
        (str(OURS), "", ["--store", "nowhere"]),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    merchant: Merchant, file: str, slug: str, options: list[str]
) -> None:
    default_store(merchant)
    with pytest.raises(CommandError):
        run(file, "--merchant", slug or merchant.slug, *options)
    assert Product.objects.count() == 0


def test_store_and_stock_reach_the_import(merchant: Merchant) -> None:
    default_store(merchant)
    branch = store(merchant, "分店")
    run(str(OURS), "--merchant", merchant.slug)
    run(str(OURS), "--merchant", merchant.slug, "--store", branch.code, "--stock")
    assert Stock.objects.filter(store=branch).count() == 40


def test_a_bar_shows_only_where_somebody_looks(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    default_store(merchant)
    run(str(OURS), "--merchant", merchant.slug)
    assert capsys.readouterr().err == ""

    other = open_shop("别家")[0]
    default_store(other)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run(str(OURS), "--merchant", other.slug)
    assert "words" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_four_imports_at_once_bring_it_in_once(merchant: Merchant) -> None:
    default_store(merchant)

    reports = at_once(*[lambda: import_catalogue(OURS, merchant) for _ in range(4)])

    assert sorted(report.skus_created for report in reports) == [0, 0, 0, 40]
    assert (Product.objects.count(), Sku.objects.count()) == (36, 40)
