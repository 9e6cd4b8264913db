"""What is wrong with a file is said by row and column, all of it, and nothing comes in."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shop.imports import BadFile, import_catalogue, reading
from shop.models import Merchant
from tests.shop.files import HEADER, counts, faults, sheet, text
from tests.shop.goods import default_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(merchant: Merchant) -> Merchant:
    default_store(merchant)
    return merchant


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a,被子,色:白,abc,1", (2, "售价(元)", "bad_price")),
        ("a,被子,色:白,,1", (2, "售价(元)", "required")),
        ("a,被子,色:白,-1,1", (2, "售价(元)", "negative")),
        ("a,被子,色:白,1.234,1", (2, "售价(元)", "too_many_decimals")),
        ("a,被子,色:白,100000000,1", (2, "售价(元)", "too_high")),
        ("a,被子,色:白,1e3,1", (2, "售价(元)", "bad_price")),
        ("a,被子,色:白,NaN,1", (2, "售价(元)", "bad_price")),
        ('a,被子,色:白,"1,2",1', (2, "售价(元)", "bad_price")),
        ("a,被子,色:白,1,1.5", (2, "库存", "bad_number")),
        ("a,被子,色:白,1,-3", (2, "库存", "negative")),
        ("a,被子,色:白,1,99999999999999999999", (2, "库存", "too_high")),
        (",被子,色:白,1,1", (2, "商品编号", "required")),
        ("a,,色:白,1,1", (2, "商品名称", "required")),
        ("a," + "被" * 121 + ",色:白,1,1", (2, "商品名称", "too_long")),
        ("a" * 65 + ",被子,色:白,1,1", (2, "商品编号", "too_long")),
        ("a,被\x00子,色:白,1,1", (2, "商品名称", "bad_character")),
        ("a,被\x1b子,色:白,1,1", (2, "商品名称", "bad_character")),
        ("a,被子,白,1,1", (2, "规格", "bad_pair")),
        ("a,被子,色:白;色:黑,1,1", (2, "规格", "repeated_name")),
        ("a,被子,1:1;2:2;3:3;4:4;5:5;6:6,1,1", (2, "规格", "too_many")),
        ("a,被子,色:" + "白" * 61 + ",1,1", (2, "规格", "too_long")),
        ("a,被子,色:白,1", (2, "", "cell_count")),
        ("a,被子,色:白,1,1,1", (2, "", "cell_count")),
        ('a,"被子,色:白,1,1', (2, "", "bad_quotes")),
        ('a,"被"子,色:白,1,1', (2, "", "bad_quotes")),
        ("a," + "被" * 140_000 + ",色:白,1,1", (2, "", "too_long")),
    ],
)
def test_a_fault_is_named_by_row_and_column(
    shop: Merchant, line: str, expected: tuple[int, str, str]
) -> None:
    assert faults(shop, text(line)) == [expected]


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("主图", "javascript:alert(1)", "bad_picture"),
        ("主图", "../../etc/passwd", "bad_picture"),
        ("主图", 'https://x.example/"onload=', "bad_picture"),
        ("主图", "https://x.example/" + "a" * 500, "too_long"),
        ("上架", "也许", "bad_choice"),
        ("类目", "一/二/三/四", "too_many"),
        ("类目", "被" * 41, "too_long"),
        ("标签", "长" * 21, "too_long"),
        ("参数", "没有冒号", "bad_pair"),
        ("重量(克)", "半斤", "bad_number"),
        ("条码", "1" * 33, "too_long"),
    ],
)
def test_faults_of_the_other_columns(shop: Merchant, column: str, cell: str, code: str) -> None:
    file = text(
        f'a,被子,1,"{cell}"'.replace('/"', '/""'), header=f"商品编号,商品名称,售价,{column}"
    )
    assert faults(shop, file) == [(2, column, code)]


def test_every_fault_is_said_not_the_first(shop: Merchant) -> None:
    lines = ["a,被子,色:白,abc,-1", "b,枕头,色:白,1,1", ",,色:白,1,", "c,毯子,色,1.005,x"]
    assert faults(shop, text(*lines)) == [
        (2, "售价(元)", "bad_price"),
        (2, "库存", "negative"),
        (4, "商品编号", "required"),
        (4, "商品名称", "required"),
        (5, "规格", "bad_pair"),
        (5, "售价(元)", "too_many_decimals"),
        (5, "库存", "bad_number"),
    ]


def test_rows_that_contradict_each_other_are_faults(shop: Merchant) -> None:
    header = "商品编号,商品名称,规格,售价,规格编号"
    lines = [
        "a,被子,色:白,1,k1",
        "a,被子,色:白,2,k2",
        "a,褥子,色:黑,2,k3",
        "a,被子,码:大,2,k4",
        "b,枕头,色:白,1,k1",
    ]
    assert faults(shop, text(*lines, header=header)) == [
        (3, "规格编号", "duplicate_sku"),
        (4, "商品名称", "differs"),
        (5, "规格", "spec_names_differ"),
        (6, "规格编号", "duplicate_sku"),
    ]
    assert faults(shop, text("a,被子,1", "a,被子,2", header="商品编号,商品名称,售价")) == [
        (3, "商品编号", "duplicate_sku")
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("商品编号,商品名称,售价(元),颜值", [(1, "颜值", "unknown_column")]),
        ("商品编号,商品名称", [(1, "售价(元)", "missing_column")]),
        ("商品编号,商品名称,售价,价格", [(1, "价格", "repeated_column")]),
        ("商品编号,,售价", [(1, "#2", "unknown_column"), (1, "商品名称", "missing_column")]),
        ("商品编号,商品名称,售价", [(None, "", "no_rows")]),
        ("", [(None, "", "no_rows")]),
        ("\ufeff\n\n", [(None, "", "no_rows")]),
    ],
)
def test_headings_are_checked_first(
    shop: Merchant, header: str, expected: list[tuple[int | None, str, str]]
) -> None:
    assert faults(shop, io.BytesIO(header.encode())) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("商品編號,商品名稱\na,被子".encode("big5"), (1, "", "bad_encoding")),
        (f"{HEADER}\na,被子,色:白,1,1".encode("utf-16"), (None, "", "bad_encoding")),
        ("code,name\na,caf\xe9,x\n".encode("latin-1"), (2, "", "bad_encoding")),
        (f"\ufeff{HEADER}\na,".encode() + b"\xff,x,1,1", (2, "", "bad_encoding")),
        (f"{HEADER}\na,".encode() + b"\xff,x,1,1", (2, "", "bad_encoding")),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, (None, "", "unknown_format")),
        (b"%PDF-1.7\n", (None, "", "unknown_format")),
        (b"PK\x03\x04" + b"\x00" * 100, (None, "", "bad_archive")),
    ],
)
def test_a_file_of_another_kind_is_said_to_be(
    shop: Merchant, data: bytes, expected: tuple[int | None, str, str]
) -> None:
    assert faults(shop, io.BytesIO(data)) == [expected]


def test_cells_a_spreadsheet_spoilt_are_refused(shop: Merchant) -> None:
    file = sheet(
        ("a", "=CONCAT(A1)", "色:白", "=1+1", 1),
        ("b", "被子", dt.datetime(2026, 1, 2), 1, 1),  # noqa: DTZ001
        ("c", "#N/A", "色:白", 1, 1),
        (1234567890123456789, "被子", "色:白", 1, 1),
        ("d", "被子", "色:白", 1, 1, "多"),
    )
    assert faults(shop, file) == [
        (2, "商品名称", "formula"),
        (2, "售价(元)", "formula"),
        (3, "规格", "is_date"),
        (4, "商品名称", "error_value"),
        (5, "商品编号", "imprecise"),
        (6, "", "cell_count"),
    ]


def test_a_file_too_large_is_refused_before_it_is_read(
    shop: Merchant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(200 * 1024**2)
    monkeypatch.setattr(Path, "open", lambda *_args: pytest.fail("it was opened"))
    assert faults(shop, path) == [(None, "", "too_large")]

    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    assert faults(shop, text("a,被子,色:白,1,1")) == [(None, "", "too_large")]


def test_an_archive_that_unpacks_to_gigabytes_is_refused(shop: Merchant) -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(101):
            part.write(b" " * 1024**2)
    assert len(bomb.getvalue()) < 200_000
    bomb.seek(0)
    assert faults(shop, bomb) == [(None, "", "unpacks_too_large")]


def _repacked(file: io.BytesIO, name: str, change: Callable[[bytes], bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            data = old.read(part)
            new.writestr(part, change(data) if part == name else data)
    out.seek(0)
    return out


def test_entities_and_lying_sizes_do_no_harm(shop: Merchant) -> None:
    name = "xl/worksheets/sheet1.xml"
    good = ("a", "被子", "色:白", 1, 1)
    entity = _repacked(
        sheet(good), name, lambda xml: b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml[xml.index(b"<work"):]
    )  # fmt: skip
    assert faults(shop, entity) == [(None, "", "bad_archive")]
    lying = _repacked(sheet(good), name, lambda xml: xml.replace(b"A1:E2", b"A1:XFD1048576"))
    assert counts(import_catalogue(lying, shop)) == (1, 0, 0, 1, 0, 0)
    wide = _repacked(sheet(good), name, lambda xml: xml.replace(b'r="E2"', b'r="XFD2"'))
    assert faults(shop, wide) == [(2, "", "too_many_columns")]


def test_rows_have_a_limit(shop: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", 2)
    lines = [f"p{i},被子,色:白,1,1" for i in range(3)]
    assert faults(shop, text(*lines)) == [(4, "", "too_many_rows")]
    assert counts(import_catalogue(text(*lines[:2]), shop)) == (2, 0, 0, 2, 0, 0)


def test_past_a_thousand_faults_only_their_number(shop: Merchant) -> None:
    with pytest.raises(BadFile) as caught:
        import_catalogue(text(*(f"p{i},被子,色:白,x,1" for i in range(1500))), shop)
    assert (len(caught.value.faults), caught.value.total) == (1000, 1500)
    assert caught.value.described()["faults"][0] == {
        "row": 2, "column": "售价(元)", "code": "bad_price",
        "message": caught.value.faults[0].message,
    }  # fmt: skip
