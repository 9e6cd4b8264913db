"""How words become lexemes, and what is found by them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from shop import lists, search
from shop.models import Merchant, Product, SearchQuery
from tests.shop.conftest import new_customer, open_shop
from tests.shop.goods import category, fresh, product

pytestmark = pytest.mark.django_db


def found(merchant: Merchant, words: str, **more: Any) -> list[str]:
    page = lists.page(merchant.pk, lists.Filter(words=words, **more), None)
    return [item["name"] for item in page["results"]]


def test_a_quilt_is_found_by_the_words_inside_its_name(merchant: Merchant) -> None:
    product(merchant, "秋冬保暖加厚澳洲羊毛被")
    product(merchant, "可水洗羽绒枕")

    for words in (
        "羊毛被",
        "羊毛",
        "澳洲羊毛被",
        "毛被",
        "被",
        "羊",
        "保暖",
        "秋冬 羊毛",
        "保暖加",
    ):
        assert found(merchant, words) == ["秋冬保暖加厚澳洲羊毛被"], words
    for words in ("蚕丝", "羊毛 枕", "羊毛枕"):
        assert found(merchant, words) == [], words


@pytest.mark.parametrize(
    "words",
    ["4k", "4K", "４Ｋ", "4k 显示器", "4K显示器", "显示器 4k", "显示", "4k 显", "Dell", "ｄｅｌｌ",
     "del", "U2723QE", "u2723", "2723", "usb-c", "USB C", "27.5", "dell 4k"],
)  # fmt: skip
def test_latin_words_and_numbers_are_found_in_any_width_and_case(
    merchant: Merchant, words: str
) -> None:
    product(merchant, "Dell U2723QE 27.5 英寸 4K 显示器（USB-C）")
    product(merchant, "机械键盘 K4")

    assert found(merchant, words) == ["Dell U2723QE 27.5 英寸 4K 显示器（USB-C）"]


def test_names_come_before_labels_and_labels_before_descriptions(merchant: Merchant) -> None:
    said = product(merchant, "懒人沙发", description="<p>" + "羊毛 很好，羊毛" * 200 + "</p>")
    labelled = product(merchant, "冬季披肩", subtitle="羊毛手感")
    named = product(merchant, "羊毛围巾")
    keyword = product(merchant, "毯子", keywords="羊毛")
    fresh(said)

    names = found(merchant, "羊毛")
    assert names[0] == named.name
    assert set(names[1:3]) == {labelled.name, keyword.name}
    assert names[3:] == [said.name]


def test_params_specs_codes_and_tags_are_found(merchant: Merchant) -> None:
    made = product(
        merchant,
        "四件套",
        code="SJT-2026",
        tags=["新品 上市"],
        params=[{"name": "产地", "value": "江苏南通"}],
        specs=[{"name": "颜色", "values": [{"value": "玛瑙红", "picture": ""}]}],
    )

    for words in ("南通", "玛瑙红", "sjt-2026", "新品", made.skus.get().code):
        assert found(merchant, words) == ["四件套"], words


@pytest.mark.parametrize("words", ["。", "！？ …", "''", "\\", "&|!():*", "-", "  ", "<->", "🙂"])
def test_punctuation_alone_finds_nothing_and_breaks_nothing(merchant: Merchant, words: str) -> None:
    product(merchant, "羊毛被")
    assert found(merchant, words) == []


@pytest.mark.parametrize("words", ["羊毛'); DROP", "羊毛 \\ '' & | ! ( : *", "羊毛:*B", "'羊毛'"])
def test_what_is_typed_never_becomes_syntax(merchant: Merchant, words: str) -> None:
    product(merchant, "羊毛被 drop b")
    assert isinstance(found(merchant, words), list)
    assert Product.objects.count() == 1


def test_a_tag_with_quotes_is_a_tag(merchant: Merchant) -> None:
    product(merchant, "甲", tags=["it's \\ 'new'"])
    product(merchant, "乙", tags=["new"])

    page = lists.page(merchant.pk, lists.Filter(tag="it's \\ 'new'"), None)
    assert [item["name"] for item in page["results"]] == ["甲"]


def test_another_shop_is_never_searched(merchant: Merchant) -> None:
    other = open_shop("别家")[0]
    product(other, "羊毛被")
    product(other, "羊毛毯", tags=["热销"])

    assert found(merchant, "羊毛") == []
    assert lists.page(merchant.pk, lists.Filter(tag="热销"), None)["results"] == []
    assert search.suggest(merchant.pk, "羊毛") == []


def test_a_product_off_sale_is_not_found(merchant: Merchant) -> None:
    gone = product(merchant, "羊毛被")
    Product.objects.filter(pk=gone.pk).update(on_sale=False)

    assert found(merchant, "羊毛") == []
    assert search.suggest(merchant.pk, "羊毛") == []


def test_pages_of_a_search_neither_repeat_nor_skip(merchant: Merchant) -> None:
    made = {product(merchant, f"羊毛被 {i % 3 * '羊毛'}", count=1).pk for i in range(45)}

    seen: list[int] = []
    cursor = None
    while True:
        page = lists.page(merchant.pk, lists.Filter(words="羊毛"), cursor)
        seen += [item["id"] for item in page["results"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 45
    assert set(seen) == made


def test_a_search_sorts_by_price_too(merchant: Merchant) -> None:
    product(merchant, "羊毛毯", price=300)
    product(merchant, "毯子", price=100, description="羊毛")
    product(merchant, "羊毛被", price=200)

    assert found(merchant, "羊毛", sort="price") == ["毯子", "羊毛被", "羊毛毯"]
    assert found(merchant, "羊毛", sort="-price") == ["羊毛毯", "羊毛被", "毯子"]


def test_the_vector_is_the_same_each_time_and_repeats_cost_nothing(merchant: Merchant) -> None:
    texts = search.Texts(name="羊毛被", description="羊毛" * 2000)
    assert search.vector(1, texts) == search.vector(1, texts)
    assert len(search.vector(1, texts)) < 300

    text = "".join(chr(0x4E00 + i) for i in range(20000))
    huge = search.vector(1, search.Texts(name="大", description=text + "a" * 5000))
    with connection.cursor() as cursor:
        cursor.execute("SELECT length(%s::tsvector)", [huge])
        assert cursor.fetchone()[0] > 1000


def test_jieba_loads_once_says_nothing_and_writes_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search._load.cache_clear()
    search._words.cache_clear()

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(tmp_path))
        threads = [threading.Thread(target=search.query, args=(1, "羊毛被")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert search._load.cache_info().misses == 1
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


# Popular words, history, suggestions


def test_what_is_searched_is_kept_latest_first_and_once(merchant: Merchant) -> None:
    customer = new_customer(merchant)
    for words in ("羊毛被", "４K  显示器 ", "羊毛被", "！", ""):
        search.record(customer, words)

    assert search.history(customer) == ["羊毛被", "4K 显示器"]
    assert SearchQuery.objects.count() == 2


def test_the_history_keeps_fifty_and_shows_twenty(merchant: Merchant) -> None:
    customer = new_customer(merchant)
    for number in range(60):
        search.record(customer, f"被子 {number}")

    assert SearchQuery.objects.count() == 50
    assert search.history(customer) == [f"被子 {number}" for number in range(59, 39, -1)]


def test_popular_is_what_several_customers_search_for(merchant: Merchant) -> None:
    category(merchant, "居家")
    people = [new_customer(merchant) for _ in range(3)]
    for person in people:
        search.record(person, "羊毛被")
    for person in people[:2]:
        search.record(person, "四件套")
    search.record(people[0], "我的电话 13800000000")
    search.record(new_customer(open_shop("别家")[0]), "羊毛被")

    assert search.popular(merchant.pk) == ["羊毛被", "四件套", "居家"]
    assert search.popular(merchant.pk, "四") == ["四件套"]
    assert search.popular(open_shop("新店")[0].pk) == []


def test_suggestions_are_words_then_names_and_else_what_is_popular(merchant: Merchant) -> None:
    product(merchant, "澳洲羊毛被")
    product(merchant, "羽绒枕", description="比羊毛轻")
    for _ in range(2):
        search.record(new_customer(merchant), "羊毛毯")

    assert search.suggest(merchant.pk, "羊毛") == ["羊毛毯", "澳洲羊毛被"]
    assert search.suggest(merchant.pk, "羊") == ["羊毛毯", "澳洲羊毛被"]
    assert search.suggest(merchant.pk, "不存在的") == ["羊毛毯"]
    assert search.suggest(merchant.pk, "。") == ["羊毛毯"]
