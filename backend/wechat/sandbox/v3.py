"""API v3 on the wire: requests signed with a merchant's key, answers and news with WeChat's own."""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import clock
from .accounts import Accounts, Merchant
from .faults import Fault, is_fault
from .store import Store
from .wire import JSON_TYPE, Reply

SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
_FIELD: Final = re.compile(r'(\w+)="([^"]*)"')
# A request is believed for so long either way.
_FRESH: Final = 300.0


class V3Error(Exception):
    """An HTTP status and a code, in JSON."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message or code


class Seal:
    """WeChat's own key: the one in `PUB_KEY_ID_…` that merchants download once."""

    def __init__(self, store: Store) -> None:
        kept = store.load("v3_key")
        if kept:
            pem = kept[0]["pem"].encode()
            key = serialization.load_pem_private_key(pem, None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise TypeError("the sandbox signs v3 with an RSA key")
            self._key = key
            self.key_id = str(kept[0]["key_id"])
        else:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            self.key_id = f"PUB_KEY_ID_{secrets.randbelow(10**28):028d}"
            pem = self._key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            store.save("v3_key", "key", {"pem": pem.decode(), "key_id": self.key_id})

    @property
    def public_pem(self) -> str:
        return (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def headers(self, body: bytes, fault: Fault | None = None) -> dict[str, str]:
        """What is sent beside a body to vouch for it."""
        at = int(clock.now()) - (3600 if is_fault(fault, "stale") else 0)
        nonce = secrets.token_hex(16)
        text = f"{at}\n{nonce}\n".encode() + body + b"\n"
        signature = self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if is_fault(fault, "bad_signature", "forged_signature"):
            signature = secrets.token_bytes(len(signature))
        return {
            "Wechatpay-Timestamp": str(at),
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Serial": self.key_id,
            "Wechatpay-Signature-Type": SCHEME,
        }

    def reply(self, values: object, fault: Fault | None = None, *, status: int = 200) -> Reply:
        """A signed answer; 204 has no body."""
        body = b"" if status == 204 else json.dumps(values, ensure_ascii=False).encode()
        return Reply(body, JSON_TYPE, status=status, headers=self.headers(body, fault))


def refused(error: V3Error) -> Reply:
    """An error's answer, which is not signed."""
    body = json.dumps({"code": error.code, "message": error.message}, ensure_ascii=False)
    return Reply(body.encode(), JSON_TYPE, status=error.status)


def issue(accounts: Accounts, mch_id: str) -> Merchant:
    """The merchant may use API v3 from now on: a key of 32 characters and an RSA certificate.

    Raises: ValueError for a merchant nobody knows.
    """
    merchant = accounts.merchants.get(mch_id)
    if merchant is None:
        raise ValueError(f"no merchant {mch_id} is registered here")
    if not merchant.v3_key:
        merchant.v3_key = secrets.token_hex(16)
        pair = accounts.authority.issue_signer(mch_id)
        merchant.v3_certificate_pem = pair.certificate_pem
        merchant.v3_private_key_pem = pair.private_key_pem
        accounts.keep(merchant)
    return merchant


def signer(accounts: Accounts, method: str, path: str, authorization: str, body: bytes) -> Merchant:
    """The merchant who signed this request, now.

    Raises: V3Error 401.
    """
    scheme, _space, rest = authorization.partition(" ")
    said = dict(_FIELD.findall(rest))
    merchant = accounts.merchants.get(said.get("mchid", ""))
    if scheme != SCHEME or merchant is None or not merchant.v3_certificate_pem:
        raise V3Error(401, "SIGN_ERROR", "错误的签名，验签失败")
    certificate = x509.load_pem_x509_certificate(merchant.v3_certificate_pem.encode())
    if said.get("serial_no") != f"{certificate.serial_number:X}":
        raise V3Error(401, "SIGN_ERROR", "商户证书序列号有误")
    key = certificate.public_key()
    timestamp, nonce = said.get("timestamp", ""), said.get("nonce_str", "")
    text = f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
    try:
        assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101
        key.verify(
            base64.b64decode(said.get("signature", "")), text, padding.PKCS1v15(), hashes.SHA256()
        )
        fresh = abs(clock.now() - int(timestamp)) < _FRESH
    except (InvalidSignature, binascii.Error, ValueError):
        raise V3Error(401, "SIGN_ERROR", "错误的签名，验签失败") from None
    if not fresh:
        raise V3Error(
            401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间差超过5分钟"
        )
    return merchant


def envelope(event: str, kind: str, facts: Mapping[str, Any], merchant: Merchant) -> bytes:
    """A piece of news, sealed with the merchant's v3 key."""
    nonce = secrets.token_hex(6)
    text = json.dumps(facts, ensure_ascii=False).encode()
    sealed = AESGCM(merchant.v3_key.encode()).encrypt(nonce.encode(), text, kind.encode())
    return json.dumps(
        {
            "id": secrets.token_hex(18),
            "create_time": clock.iso(clock.now()),
            "event_type": event,
            "resource_type": "encrypt-resource",
            "summary": "商家券领券通知",
            "resource": {
                "original_type": kind,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": kind,
                "nonce": nonce,
            },
        },
        ensure_ascii=False,
    ).encode()
