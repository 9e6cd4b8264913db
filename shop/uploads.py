"""Pictures customers send in: looked at, not believed; written again without what they carried."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import secrets
import struct
import zlib
from typing import IO, Any, Final
from urllib.parse import urlsplit

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from backend.errors import DomainError, KeyReused, TooLarge
from shop.customers import hold
from shop.models import Customer, Upload

log = logging.getLogger(__name__)

MAX_BYTES: Final = 5 * 1024 * 1024
# A picture of a few kilobytes can unfold to gigabytes; its header says how far.
MAX_PIXELS: Final = 25_000_000
MAX_SIDE: Final = 12_000
KEPT_SIDE: Final = 2560

_SUFFIXES: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
# What Pillow raises over a file that is not what it says.
_BROKEN: Final = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# Where WeChat itself keeps faces.
_AVATAR_HOSTS: Final = frozenset({"thirdwx.qlogo.cn", "wx.qlogo.cn", "mmbiz.qpic.cn"})


class NotAPicture(DomainError):
    code = "not_a_picture"
    status = 422
    message = _("Send one JPEG, PNG or WebP picture.")


class AvatarNotAllowed(DomainError):
    code = "avatar_not_allowed"
    status = 422
    message = _("Use a picture you have uploaded.")


def keep(customer: Customer, file: IO[bytes], *, key: str | None = None) -> tuple[Upload, bool]:
    """The picture is kept under a name of ours, without its EXIF; say whether it is new.

    The same key with the same picture gives the first upload.

    Raises: NotAPicture, TooLarge, KeyReused.
    """
    sent = file.read(MAX_BYTES + 1)
    if len(sent) > MAX_BYTES:
        raise TooLarge(detail={"bytes": MAX_BYTES})
    sha256 = hashlib.sha256(sent).hexdigest()
    first = _first(customer, key, sha256)
    if first is not None:
        return first, False
    content, suffix = _rewritten(sent)
    upload = Upload(
        merchant_id=customer.merchant_id,
        customer=customer,
        sha256=sha256,
        bytes=len(content),
        idempotency_key=key,
    )
    upload.file.save(f"{secrets.token_hex(16)}.{suffix}", ContentFile(content), save=False)
    try:
        with transaction.atomic():
            # An erasure under way comes first, or waits for this row and then takes it along.
            hold(customer)
            upload.save()
    except IntegrityError:
        upload.file.delete(save=False)
        first = _first(customer, key, sha256)
        if first is None:
            raise
        return first, False
    except BaseException:
        upload.file.delete(save=False)
        raise
    return upload, True


def _first(customer: Customer, key: str | None, sha256: str) -> Upload | None:
    if key is None:
        return None
    first = Upload.objects.filter(
        merchant_id=customer.merchant_id, customer=customer, idempotency_key=key
    ).first()
    if first is not None and first.sha256 != sha256:
        raise KeyReused
    return first


def rewritten(file: IO[bytes]) -> ContentFile[bytes]:
    """A picture that staff sent, as it may be kept, under a name of ours; not stored yet.

    Raises: NotAPicture, TooLarge.
    """
    sent = file.read(MAX_BYTES + 1)
    if len(sent) > MAX_BYTES:
        raise TooLarge(detail={"bytes": MAX_BYTES})
    content, suffix = _rewritten(sent)
    return ContentFile(content, name=f"{secrets.token_hex(16)}.{suffix}")


def _rewritten(sent: bytes) -> tuple[bytes, str]:
    """The picture decoded and encoded again, upright, no larger than a screen; and its suffix.

    What is not part of the picture (place, camera, text, anything after its end) is left behind.
    """
    try:
        # The type is what the bytes are, whatever name or header came with them.
        with Image.open(io.BytesIO(sent), formats=list(_SUFFIXES)) as image:
            # Phones write several pictures into one JPEG; the first is the one that was taken.
            kind = "JPEG" if image.format == "MPO" else str(image.format)
            width, height = image.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise TooLarge(detail={"pixels": MAX_PIXELS})
            image.draft("RGB", (KEPT_SIDE, KEPT_SIDE))
            image.load()
            picture = ImageOps.exif_transpose(image)
            picture.thumbnail((KEPT_SIDE, KEPT_SIDE))
            clear = kind != "JPEG" and picture.has_transparency_data
            plain = picture.convert("RGBA" if clear else "RGB")
            out = io.BytesIO()
            # Nothing of `info` is passed on, and save() writes only what it is given.
            plain.info.clear()
            plain.save(out, kind, **_options(kind))
    except _BROKEN as error:
        raise NotAPicture(type(error).__name__) from error
    return out.getvalue(), _SUFFIXES[kind]


def _options(kind: str) -> dict[str, Any]:
    if kind == "PNG":
        return {"optimize": False}
    return {"quality": 85}


def avatar_path(customer: Customer, avatar: str) -> str:
    """What to store for an avatar: the path of an upload of theirs, or WeChat's own address.

    Raises: AvatarNotAllowed for anything else, so that nobody's page loads a stranger's picture.
    """
    if not avatar:
        return ""
    try:
        parts = urlsplit(avatar)
    except ValueError:
        raise AvatarNotAllowed from None
    if parts.scheme == "https" and parts.netloc in _AVATAR_HOSTS:
        return avatar
    names = Upload.objects.filter(
        merchant_id=customer.merchant_id, customer=customer, file=_name_in(avatar)
    )
    name = names.values_list("file", flat=True).first()
    if name is None:
        raise AvatarNotAllowed
    return str(name)


def _name_in(address: str) -> str:
    """The file's name in the storage, out of an address we gave for it."""
    start = address.find("uploads/")
    return address[start:] if start >= 0 else address


def delete_all(customer: Customer) -> None:
    """Every upload of a customer is gone, the files once this is committed."""
    _delete(Upload.objects.filter(merchant_id=customer.merchant_id, customer=customer))


# So long a shopper may take between sending a picture in and saying what it is for.
UNUSED_LIFE: Final = dt.timedelta(days=1)
_BATCH: Final = 500
# Whoever gives pictures another use adds it here.
_UNUSED_SQL: Final = """
SELECT u.* FROM shop_upload u
WHERE u.at < %(before)s AND NOT EXISTS (
    SELECT 1 FROM shop_customer c WHERE c.id = u.customer_id AND c.avatar = u.file)
ORDER BY u.at LIMIT %(limit)s FOR UPDATE OF u SKIP LOCKED
"""


def delete_unused(*, before: dt.datetime) -> int:
    """Pictures that came before then and are nobody's avatar are gone; how many."""
    gone = 0
    while True:
        with transaction.atomic():
            values = {"before": before, "limit": _BATCH}
            found = [upload.pk for upload in Upload.objects.raw(_UNUSED_SQL, values)]
            _delete(Upload.objects.filter(pk__in=found))
        gone += len(found)
        if len(found) < _BATCH:
            return gone


def _delete(some: QuerySet[Upload]) -> None:
    files = [upload.file for upload in some]
    some.delete()

    def delete_files() -> None:
        for file in files:
            try:
                file.storage.delete(str(file.name))
            except OSError as error:
                log.error("a picture stays: %s", type(error).__name__)

    transaction.on_commit(delete_files)
