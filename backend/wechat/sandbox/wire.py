"""What travels on the V2 wire: XML, signatures, and the sealed part of a refund notice."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MD5: Final = "MD5"
HMAC_SHA256: Final = "HMAC-SHA256"
SIGN_TYPES: Final = frozenset({MD5, HMAC_SHA256})
XML_TYPE: Final = "text/xml; charset=utf-8"
JSON_TYPE: Final = "application/json; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"


class ReturnFail(Exception):
    """The request was not understood: return_code FAIL, unsigned, a sentence and no code."""


class ResultFail(Exception):
    """The request was understood and refused: result_code FAIL, signed, with an err_code."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True)
class Reply:
    """One HTTP answer, or the lack of one."""

    body: bytes = b""
    content_type: str = XML_TYPE
    status: int = 200
    location: str = ""
    drop: bool = False  # close the connection without a word
    hold: float = 0.0  # seconds to keep the caller waiting first
    headers: Mapping[str, str] = field(default_factory=dict)


class _Flat:
    """Collects <root><name>value</name>…</root> and refuses any other shape."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.values: dict[str, str] = {}
        self.path: list[str] = []
        self.text: list[str] = []

    def start(self, name: str, _attributes: object) -> None:
        if len(self.path) >= 2 or (not self.path and name != self.root):
            raise ReturnFail("XML格式错误")
        if self.path and name in self.values:
            raise ReturnFail("XML格式错误")
        self.path.append(name)
        self.text.clear()

    def end(self, name: str) -> None:
        self.path.pop()
        if self.path:
            self.values[name] = "".join(self.text)
        self.text.clear()

    def data(self, text: str) -> None:
        if len(self.path) == 2:
            self.text.append(text)
        elif text.strip():
            raise ReturnFail("XML格式错误")

    def doctype(self, *_: object) -> None:
        raise ReturnFail("XML格式错误")


def parse_xml(body: bytes, *, root: str = "xml") -> dict[str, str]:
    """The values of a flat document, untouched. A DOCTYPE, and so any entity, is refused.

    Raises: ReturnFail in WeChat's words.
    """
    if not body.strip():
        raise ReturnFail("post数据为空")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise ReturnFail("编码格式错误，请使用UTF-8") from None
    flat = _Flat(root)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = flat.start
    parser.EndElementHandler = flat.end
    parser.CharacterDataHandler = flat.data
    parser.StartDoctypeDeclHandler = flat.doctype
    try:
        parser.Parse(body, True)  # noqa: FBT003  (expat takes it by position only)
    except expat.ExpatError:
        raise ReturnFail("XML格式错误") from None
    return flat.values


def build_xml(values: Mapping[str, str], *, root: str = "xml") -> bytes:
    """The document, every value in CDATA; a value can't break out of it."""
    lines = [f"<{root}>"]
    for name, value in values.items():
        quoted = value.replace("]]>", "]]]]><![CDATA[>")
        lines.append(f"<{name}><![CDATA[{quoted}]]></{name}>")
    lines.append(f"</{root}>")
    return "\n".join(lines).encode()


def sign(values: Mapping[str, str], key: str, sign_type: str = MD5) -> str:
    """The V2 signature: non-empty values by name, then the key; MD5 or HMAC-SHA256, upper case."""
    pairs = [f"{k}={v}" for k, v in sorted(values.items()) if k != "sign" and v]
    text = "&".join([*pairs, f"key={key}"]).encode()
    if sign_type == HMAC_SHA256:
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


def is_signed(values: Mapping[str, str], key: str, sign_type: str = "") -> bool:
    """Whether `sign` is what this key gives; by default `sign_type` among the values says how."""
    expected = sign(values, key, sign_type or values.get("sign_type") or MD5)
    return hmac.compare_digest(expected.encode(), values.get("sign", "").encode())


def nonce() -> str:
    """32 characters nobody guesses."""
    return secrets.token_hex(16)


def ecb_encrypt(text: bytes, key: bytes) -> str:
    """AES-ECB with PKCS#7 over 16-byte blocks, base64."""
    padder = padding.PKCS7(128).padder()
    # ECB is what WeChat chose for req_info; there is nothing to choose here.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    sealed = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def ecb_decrypt(sealed: str, key: bytes) -> bytes:
    """The reverse of `ecb_encrypt`.

    Raises: ValueError when the key or the text is wrong.
    """
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305
    padded = decryptor.update(base64.b64decode(sealed)) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def req_info_key(api_key: str) -> bytes:
    """The key of req_info: lower-case hex MD5 of the API key, as 32 ASCII bytes."""
    return hashlib.md5(api_key.encode(), usedforsecurity=False).hexdigest().encode()


def seal_req_info(values: Mapping[str, str], api_key: str) -> str:
    """req_info of a refund notification."""
    return ecb_encrypt(build_xml(values, root="root"), req_info_key(api_key))


def open_req_info(req_info: str, api_key: str) -> dict[str, str]:
    """The values inside req_info."""
    return parse_xml(ecb_decrypt(req_info, req_info_key(api_key)), root="root")
