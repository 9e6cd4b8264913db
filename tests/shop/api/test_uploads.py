"""Pictures customers send in."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from shop.models import Merchant, Upload
from tests.shop.conftest import Answer, Api, at_once, new_customer, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40), **more: Any) -> bytes:
    out = io.BytesIO()
    mode = "RGBA" if kind in ("PNG", "WEBP") else "RGB"
    Image.new(mode, size, (200, 30, 30)).save(out, kind, **more)
    return out.getvalue()


def send(api: Api, content: bytes, name: str = "a.jpg", kind: str = "", **headers: str) -> Answer:
    file = SimpleUploadedFile(name, content, kind or "image/jpeg")
    given = {"Authorization": f"Bearer {api.access}"} | {
        key.replace("_", "-"): value for key, value in headers.items()
    }
    answer = api.client.post("/api/v1/uploads", {"file": file}, headers=given)
    return Answer(answer.status_code, answer.json(), answer.headers)


def files(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_a_picture_is_kept_under_a_name_of_ours(
    api: Api, media: Path, kind: str, suffix: str
) -> None:
    answer = send(api, picture(kind), "../../evil.php")

    assert answer.status == 201, answer.body
    (file,) = files(media)
    assert file.suffix == suffix
    assert len(file.stem) == 32
    assert answer.body == {"id": Upload.objects.get().pk, "url": answer.body["url"]}
    assert answer.body["url"].endswith(f"/media/{file.relative_to(media)}")
    assert Image.open(file).size == (60, 40)


def test_where_and_with_what_it_was_taken_is_left_behind(api: Api, media: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 6  # turned
    exif.get_ifd(0x8825)[1] = "N"
    sent = picture(exif=exif, comment=b"secret comment", icc_profile=b"secret profile")
    assert b"SecretCamera" in sent

    send(api, sent + b"<?php secret tail")

    (file,) = files(media)
    kept = file.read_bytes()
    assert not any(word in kept for word in (b"Secret", b"secret", b"Exif"))
    assert Image.open(file).size == (40, 60)


def test_a_phones_several_pictures_in_one_jpeg_are_taken(api: Api) -> None:
    out = io.BytesIO()
    one = Image.new("RGB", (30, 20))
    one.save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (30, 20))])
    assert Image.open(io.BytesIO(out.getvalue())).format == "MPO"

    assert send(api, out.getvalue()).status == 201


def test_a_large_picture_is_kept_no_larger_than_a_screen(api: Api, media: Path) -> None:
    assert send(api, picture(size=(4000, 3000))).status == 201
    assert Image.open(files(media)[0]).size == (2560, 1920)


def _gif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (9, 9)).save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html></html>",
        b"%PDF-1.4",
        b"\xff\xd8\xff\xe0" + b"\x00" * 50,
        b"\x89PNG\r\n\x1a\n",
        picture()[:200],
        picture("PNG")[:60],
        _gif(),
    ],
    ids=["empty", "text", "svg", "html", "pdf", "jpeg-head", "png-head", "half-jpeg", "half-png",
         "gif"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_whatever_it_calls_itself(
    api: Api, media: Path, content: bytes
) -> None:
    answer = send(api, content, "nice.jpg", "image/jpeg")

    assert answer.status in (400, 422)
    assert answer.body["code"] in ("not_a_picture", "invalid")
    assert files(media) == []
    assert Upload.objects.count() == 0


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(6000, 6000), (20000, 10), (60000, 60000)])
def test_a_picture_that_would_unfold_to_gigabytes_is_refused_by_its_header(
    api: Api, media: Path, size: tuple[int, int]
) -> None:
    answer = send(api, _bomb(*size))

    assert answer.status in (413, 422)
    assert files(media) == []


def test_more_than_five_megabytes_is_refused(api: Api, media: Path) -> None:
    just = send(api, picture() + b"\x00" * (5 * 1024 * 1024))
    far = send(api, b"\x00" * (6 * 1024 * 1024))

    for answer in (just, far):
        assert (answer.status, answer.body["code"]) == (413, "too_large")
    assert files(media) == []


def test_one_call_takes_one_file(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.access}"}
    two = {
        "file": SimpleUploadedFile("a.jpg", picture()),
        "other": SimpleUploadedFile("b.jpg", picture()),
    }
    many = {f"f{n}": SimpleUploadedFile("a.jpg", b"x") for n in range(150)}
    for body in (two, {"file": "text"}, {}, many):
        answer = api.client.post("/api/v1/uploads", body, headers=headers)
        assert answer.status_code == 400, answer.content
    as_json = api("post", "uploads", {"file": "x"})
    assert (as_json.status, as_json.body["code"]) == (415, "unsupported_media_type")


def test_the_same_key_gives_the_same_upload_and_another_picture_is_refused(
    api: Api, media: Path
) -> None:
    first = send(api, picture(), Idempotency_Key="k")
    again = send(api, picture(), Idempotency_Key="k")
    other = send(api, picture("PNG"), Idempotency_Key="k")

    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")
    assert len(files(media)) == 1


@pytest.mark.django_db(transaction=True)
def test_one_key_on_eight_threads_keeps_one_file(api: Api, media: Path) -> None:
    content = picture()
    answers = at_once(
        *[lambda: send(Api(access=api.access), content, Idempotency_Key="k") for _ in range(8)]
    )

    assert sorted(getattr(answer, "status", answer) for answer in answers) == [200] * 7 + [201]
    assert len({answer.body["url"] for answer in answers}) == 1
    assert (len(files(media)), Upload.objects.count()) == (1, 1)


def test_thirty_pictures_a_minute_are_enough(api: Api, merchant: Merchant) -> None:
    statuses = [send(api, b"x").status for _ in range(31)]
    assert statuses == [422] * 30 + [429]
    assert send(signed_in(new_customer(merchant)), picture()).status == 201


def test_a_visitor_sends_nothing_in(db: None) -> None:
    assert send(Api(access="nobody"), picture()).status == 401
