"""The mini programs and merchants the sandbox knows. None of these secrets opens anything real."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .certificates import Authority
from .store import Store

DEMO: Final = {
    "appid": "wx5a3d0b7c9e1f2468",
    "secret": "sandbox-secret-0123456789abcdef0",
    "mch_id": "1900000109",
    "api_key": "sandboxkey0123456789abcdef012345",
}
SECOND: Final = {
    "appid": "wx7b2c4d6e8f901357",
    "secret": "sandbox-secret-fedcba98765432100",
    "mch_id": "1900000110",
    "api_key": "sandboxkeyfedcba9876543210fedcba",
}
NEEDED: Final = ("appid", "secret", "mch_id", "api_key")
OPTIONAL: Final = ("sub_mch_id", "sub_appid", "sub_secret")


@dataclass
class Merchant:
    """A merchant number with its V2 key, its certificate, and the mini programs it may use."""

    mch_id: str
    api_key: str
    certificate_pem: str
    private_key_pem: str
    appids: list[str] = field(default_factory=list)
    subs: dict[str, list[str]] = field(default_factory=dict)  # sub_mch_id: its sub_appids
    v3_key: str = ""
    v3_certificate_pem: str = ""
    v3_private_key_pem: str = ""


class Accounts:
    """Registered once, kept over a restart."""

    def __init__(self, store: Store, authority: Authority) -> None:
        self._store = store
        self.authority = authority
        self.secrets: dict[str, str] = {
            row["appid"]: row["secret"] for row in store.load("mini_program")
        }
        self.merchants: dict[str, Merchant] = {
            row["mch_id"]: Merchant(**row) for row in store.load("merchant")
        }
        for account in (DEMO, SECOND):
            if account["mch_id"] not in self.merchants:
                self.register(account)

    def register(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """The account is known; registering it again with another secret or key changes that.

        Raises: ValueError naming what is missing or malformed.
        """
        for name in (*NEEDED, *OPTIONAL):
            value = wish.get(name, "")
            if not isinstance(value, str) or (name in NEEDED and not value):
                raise ValueError(f"{name} is needed, as text")
        if unknown := set(wish) - {*NEEDED, *OPTIONAL}:
            raise ValueError(f"unknown field {min(unknown)}")
        if len(wish["api_key"]) != 32:
            raise ValueError("api_key has 32 characters")
        mch_id = wish["mch_id"]
        merchant = self.merchants.get(mch_id)
        if merchant is None:
            pair = self.authority.issue_client(mch_id)
            merchant = Merchant(mch_id, "", pair.certificate_pem, pair.private_key_pem)
            self.merchants[mch_id] = merchant
        merchant.api_key = wish["api_key"]
        self._bind(merchant.appids, wish["appid"], wish["secret"])
        if sub_mch_id := wish.get("sub_mch_id"):
            bound = merchant.subs.setdefault(sub_mch_id, [])
            if sub_appid := wish.get("sub_appid"):
                self._bind(bound, sub_appid, wish.get("sub_secret") or wish["secret"])
        self.keep(merchant)
        return self._shown(merchant, wish["appid"])

    def keep(self, merchant: Merchant) -> None:
        """A restart will find the merchant as it is now."""
        self._store.save("merchant", merchant.mch_id, vars(merchant))

    def _bind(self, appids: list[str], appid: str, secret: str) -> None:
        self.secrets[appid] = secret
        self._store.save("mini_program", appid, {"appid": appid, "secret": secret})
        if appid not in appids:
            appids.append(appid)

    def shown(self) -> list[dict[str, Any]]:
        """Every mini program at every merchant, with everything a client of ours needs."""
        return [
            self._shown(merchant, appid)
            for merchant in self.merchants.values()
            for appid in merchant.appids
        ]

    def _shown(self, merchant: Merchant, appid: str) -> dict[str, Any]:
        return {
            "appid": appid,
            "secret": self.secrets[appid],
            "mch_id": merchant.mch_id,
            "api_key": merchant.api_key,
            "certificate_pem": merchant.certificate_pem,
            "private_key_pem": merchant.private_key_pem,
            "sub_merchants": [
                {"sub_mch_id": number, "sub_appids": appids}
                for number, appids in merchant.subs.items()
            ],
        }
