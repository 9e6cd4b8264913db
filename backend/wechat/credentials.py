"""Who we are to WeChat. A repr never shows a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class MiniProgramCredentials:
    """A mini program: its appid and its secret (AppSecret)."""

    appid: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PayCredentials:
    """A WeChat Pay account and the mini program it takes money in.

    direct: `appid` is the mini program, `mch_id` the merchant. provider: `appid` and `mch_id` are
    the service provider's, `sub_mch_id` is the merchant's and `sub_appid` the mini program's.
    `api_key` is the 32 characters of API v2; the certificate is wanted for refunds and API v3, the
    key of v3 and WeChat's public key (`PUB_KEY_ID_…`) for API v3 only.
    """

    appid: str
    mch_id: str
    api_key: str = field(repr=False)
    mode: Literal["direct", "provider"] = "direct"
    sub_mch_id: str = ""
    sub_appid: str = ""
    cert_pem: str = field(default="", repr=False)
    key_pem: str = field(default="", repr=False)
    api_v3_key: str = field(default="", repr=False)
    public_key_pem: str = field(default="", repr=False)
    public_key_id: str = ""

    def __post_init__(self) -> None:
        if self.mode == "provider" and not self.sub_mch_id:
            raise ValueError("a provider's account needs the merchant's sub_mch_id")
        if self.mode == "direct" and (self.sub_mch_id or self.sub_appid):
            raise ValueError("a direct account has no sub_mch_id and no sub_appid")

    @property
    def payer_appid(self) -> str:
        """The mini program the shopper pays in, whose openid a prepay names."""
        return self.sub_appid or self.appid

    def are_named_in(self, message: Mapping[str, str]) -> bool:
        """Whether a message is about this account: what is compared depends on its mode."""
        named = {"appid": self.appid, "mch_id": self.mch_id}
        if self.mode == "provider":
            named["sub_mch_id"] = self.sub_mch_id
            if message.get("sub_appid"):
                named["sub_appid"] = self.sub_appid
        elif message.get("sub_mch_id"):
            return False
        return all(message.get(name) == value for name, value in named.items())
