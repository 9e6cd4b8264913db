from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from shop import regions
from shop.models import Region

pytestmark = pytest.mark.django_db


@pytest.fixture
def nowhere(db: None) -> None:
    """Without the regions that the migrations bring."""
    Region.objects.all().delete()


def test_the_list_we_ship_comes_in_whole_and_a_second_time_changes_nothing(nowhere: None) -> None:
    first = regions.load()
    again = regions.load()

    assert (first.added, first.changed, first.unchanged) == (3231, 0, 0)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 3231)
    assert Region.objects.count() == 3231


def test_a_renamed_region_changes_one_row(china: None) -> None:
    Region.objects.filter(code="310115", level=3).update(name="川沙县")

    counts = regions.load()

    assert (counts.added, counts.changed, counts.unchanged) == (0, 1, 3230)
    assert Region.objects.get(code="310115").name == "浦东新区"


def test_a_region_missing_from_a_newer_file_stays(tmp_path: Path, china: None) -> None:
    file = tmp_path / "new.csv"
    file.write_text("code,name,level,parent_code\n110000,北京,1,\n", encoding="utf-8")

    counts = regions.load(file)

    assert (counts.added, counts.changed, counts.unchanged) == (0, 1, 0)
    assert Region.objects.count() == 3231


@pytest.mark.parametrize(
    "text",
    [
        "",
        "code,name,level,parent_code\n",
        "code,name,level,parent_code\n11,北京,1,\n",
        "code,name,level,parent_code\n110000,北京,4,\n",
        "code,name,level,parent_code\n110000,,1,\n",
        "code,name,level,parent_code\n110000,北京,1,\n110000,北京,1,\n",
        "code,name,level,parent_code\n110101,东城区,3,110100\n",
        "name\n北京\n",
    ],
)
def test_a_bad_file_is_refused_in_one_line_and_loads_nothing(
    tmp_path: Path, nowhere: None, text: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(CommandError) as refusal:
        call_command("load_regions", str(file))

    assert "\n" not in str(refusal.value)
    assert Region.objects.count() == 0


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gbk.csv"
    file.write_text("code,name,level,parent_code\n110000,北京,1,\n", encoding="gbk")

    with pytest.raises(regions.BadRegionFile):
        regions.load(file)


@pytest.mark.parametrize("code", ["441900", "442000", "460400"])
def test_a_code_that_stands_at_two_levels_is_its_own_city(china: None, code: str) -> None:
    place = regions.by_code(code)

    assert (place.district_code, place.city_code) == (code, code)
    assert place.province_code == f"{code[:2]}0000"
    assert place.city == place.district


def test_a_district_knows_what_it_lies_in(china: None) -> None:
    assert regions.by_code("310115") == regions.Place(
        "310000", "310100", "310115", "上海市", "市辖区", "浦东新区"
    )


@pytest.mark.parametrize("code", ["310000", "310100", "999999", "", "abc"])
def test_what_is_no_district_is_unknown(china: None, code: str) -> None:
    with pytest.raises(regions.UnknownRegion) as refusal:
        regions.by_code(code)

    assert list(refusal.value.fields or {}) == ["district_code"]


@pytest.mark.parametrize(
    ("names", "code", "street"),
    [
        (("北京市", "北京市", "朝阳区"), "110105", ""),
        (("北京市", "市辖区", "朝阳区"), "110105", ""),
        (("江苏省", "南京市", "鼓楼区"), "320106", ""),
        (("江苏省", "徐州市", "鼓楼区"), "320302", ""),
        (("湖北省", "省直辖县级行政区划", "仙桃市"), "429004", ""),
        (("湖北省", "仙桃市", "仙桃市"), "429004", ""),
        (("广东省", "东莞市", "东莞市"), "441900", ""),
        (("广东省", "东莞市", "南城街道"), "441900", "南城街道"),
    ],
)
def test_the_three_names_of_choose_address_are_understood(
    china: None, names: tuple[str, str, str], code: str, street: str
) -> None:
    place = regions.by_names(*names)

    assert (place.district_code, place.street) == (code, street)


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (("火星", "北京市", "朝阳区"), "province"),
        (("江苏省", "火星市", "玄武区"), "city"),
        (("江苏省", "南京市", "火星区"), "district"),
        (("江苏省", "苏州市", "鼓楼区"), "district"),
        (("江苏省", "市辖区", "鼓楼区"), "district"),
    ],
)
def test_an_unknown_name_is_refused_at_its_field(
    china: None, names: tuple[str, str, str], where: str
) -> None:
    with pytest.raises(regions.UnknownRegion) as refusal:
        regions.by_names(*names)

    assert list(refusal.value.fields or {}) == [where]
