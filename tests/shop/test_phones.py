import pytest

from shop import phones


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("13800000001", "13800000001"),
        ("138 0000 0001", "13800000001"),
        ("138-0000-0001", "13800000001"),
        ("+86 13800000001", "13800000001"),
        ("+86-138-0000-0001", "13800000001"),
        ("0086 13800000001", "13800000001"),
        ("010-12345678", "010-12345678"),
        ("(010) 12345678", "01012345678"),
        ("0755－12345678－801", "0755-12345678-801"),
        ("400-820-0000", "400-820-0000"),
        ("4008200000", "4008200000"),
        ("+85291234567", "+85291234567"),
    ],
)
def test_a_courier_can_call_a_mobile_a_landline_or_a_400_number(written: str, kept: str) -> None:
    assert phones.receiver(written) == kept


@pytest.mark.parametrize(
    "written",
    ["", "1", "12800000001", "1380000000", "138000000011", "１３８００００００１１", "010", "abc",
     "400-820", "+8612345", "13800000001; DROP", "+1"],
)  # fmt: skip
def test_what_nobody_could_be_called_at_is_refused(written: str) -> None:
    with pytest.raises(phones.NotAPhone):
        phones.receiver(written)


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, ""), ("", ""), ("13800000001", "138****0001"), ("+85291234567", "+85****4567"),
     ("1234567", "****")],
)  # fmt: skip
def test_a_shown_number_can_be_recognised_but_not_called(number: str | None, shown: str) -> None:
    assert phones.masked(number) == shown
