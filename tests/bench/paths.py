"""The design's paths: for each, the requests that are sent to the shop and to the bare view."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import jwt
import orjson
from django.conf import settings
from django.utils import timezone
from wechatpy.pay.utils import calculate_signature

from backend.api import encode_cursor
from coupons import counter, tills
from shop.login import ACCESS_LIFE
from tests.bench.load import call
from tests.bench.shop_of import API_KEY, APPID, MCH_ID, Bench, Size

JSON: Final = {"Content_Type": "application/json"}


@dataclass
class Requests:
    """Makes requests: `bare` says for whom, because a bare view reads no signature."""

    bench: Bench
    size: Size
    bare: bool

    def __post_init__(self) -> None:
        self.chance = random.Random(20)  # noqa: S311
        self.expiry = int((timezone.now() + ACCESS_LIFE).timestamp())
        # Each side has shoppers of its own, so that neither finds a coupon the other has used.
        self.shoppers = itertools.cycle(range(int(self.bare), self.bench.customers, 2))

    def _token(self, customer: int) -> str:
        if self.bare:
            return f"Bearer {customer}"
        claims = {"typ": "access", "sub": str(customer), "ver": 0, "exp": self.expiry}
        return f"Bearer {jwt.encode(claims, settings.SECRET_KEY, algorithm='HS256')}"

    def _shopper(self) -> str:
        return self._token(self.bench.first_customer + next(self.shoppers))

    def product_list(self) -> Iterator[bytes]:
        while True:
            weight, pk = self.chance.randrange(1, 1000), self.size.products
            mark: list[int | str] = [weight, pk]
            cursor = orjson.dumps(mark).decode() if self.bare else encode_cursor(["default", *mark])
            yield call("GET", f"/api/v1/products?cursor={cursor}", X_WX_Appid=APPID)

    def product_detail(self) -> Iterator[bytes]:
        while True:
            pk = self.chance.randint(1, self.size.products)
            yield call("GET", f"/api/v1/products/{pk}", X_WX_Appid=APPID)

    def _claims(self, template: int) -> Iterator[bytes]:
        path = f"/api/v1/coupon-templates/{template}/claim"
        while True:
            yield call("POST", path, b"{}", Authorization=self._shopper(), **JSON)

    def claim(self) -> Iterator[bytes]:
        return self._claims(self.bench.template)

    def rush(self) -> Iterator[bytes]:
        """Four times as many claims as there are coupons."""
        return itertools.islice(self._claims(self.bench.small_template), 2000)

    def _basket(self, lines: int) -> dict[str, Any]:
        """So many skus of one store, and what they cost with the coupon everyone has.

        Not goods of which it takes the freedom from freight away: there it stays in the wallet.
        """
        goods = 9900
        while 9900 <= goods < 10400:
            products = self.chance.sample(range(1, self.size.products + 1), lines)
            goods = sum(2000 + pk % 5000 for pk in products)
        freight = 800 if goods - 500 < 9900 else 0
        items = [{"sku": 2 * pk - 1, "quantity": 1} for pk in products]
        return {"items": items, "payable_fen": goods - 500 + freight}

    def _quotes(self, lines: int) -> Iterator[bytes]:
        while True:
            body = orjson.dumps({"items": self._basket(lines)["items"]})
            yield call(
                "POST", "/api/v1/purchases/quote", body, Authorization=self._shopper(), **JSON
            )

    def quote(self) -> Iterator[bytes]:
        return self._quotes(2)

    def quote_of_twenty(self) -> Iterator[bytes]:
        return self._quotes(20)

    def _places(self, lines: int) -> Iterator[bytes]:
        while True:
            yield call(
                "POST",
                "/api/v1/purchases",
                orjson.dumps(self._basket(lines)),
                Authorization=self._shopper(),
                Idempotency_Key=secrets.token_hex(8),
                **JSON,
            )

    def place(self) -> Iterator[bytes]:
        return self._places(2)

    def place_of_twenty(self) -> Iterator[bytes]:
        return self._places(20)

    def wallet(self) -> Iterator[bytes]:
        while True:
            yield call("GET", "/api/v1/coupons", Authorization=self._shopper())

    def till(self) -> Iterator[bytes]:
        """Each coupon shows its digits of this minute; each request is signed anew."""
        path, secret = "/api/v1/till/redemptions", self.bench.till_secret
        first, last = self.bench.till_coupons(self.size)
        # The count of statements takes the last ones.
        for pk in itertools.count(first + int(self.bare), 2):
            code, _ends = counter.digits_of(min(pk, last), timezone.now())
            request = f"request-{secrets.token_hex(8)}"
            body = orjson.dumps({"code": code, "bill_fen": 20000, "request_id": request})
            stamp, nonce = str(int(timezone.now().timestamp())), secrets.token_hex(8)
            yield call(
                "POST",
                path,
                body,
                X_Till_Key=self.chance.choice(self.bench.till_keys),
                X_Till_Timestamp=stamp,
                X_Till_Nonce=nonce,
                X_Till_Signature=tills.signature(secret, "POST", path, stamp, nonce, body),
                **JSON,
            )

    def notification(self) -> Iterator[bytes]:
        path = f"/webhooks/wechat-pay/{self.bench.slug}/payment"
        while True:
            number = secrets.token_hex(13)
            fields = {
                "appid": APPID, "mch_id": MCH_ID, "nonce_str": number, "result_code": "SUCCESS",
                "return_code": "SUCCESS", "openid": "o" + "b" * 27, "is_subscribe": "N",
                "trade_type": "JSAPI", "bank_type": "OTHERS", "total_fee": "4800",
                "cash_fee": "4800", "fee_type": "CNY", "transaction_id": number,
                "out_trade_no": f"T{number}", "time_end": "20261121093000", "attach": "bench",
            }  # fmt: skip
            fields["sign"] = calculate_signature(fields, API_KEY)
            body = "".join(f"<{key}><![CDATA[{value}]]></{key}>" for key, value in fields.items())
            yield call("POST", path, f"<xml>{body}</xml>".encode(), Content_Type="text/xml")


@dataclass(frozen=True)
class Path:
    """One line of the table: what is asked, by how many at once, and what the design wants."""

    name: str
    requests: str
    callers: int
    status: int
    target: float
    most_queries: int | None


PATHS: Final = (
    Path("product list, 20 of all", "product_list", 16, 200, 0.6, 3),
    Path("product detail", "product_detail", 16, 200, 0.6, 4),
    Path("claim one hot voucher, 64 at once", "claim", 64, 201, 0.6, None),
    Path("quote, 2 lines with a coupon", "quote", 16, 200, 0.5, 15),
    Path("place, 2 lines with a coupon", "place", 16, 201, 0.5, 25),
    Path("wallet, 20 of a shopper's", "wallet", 16, 200, 0.5, 3),
    Path("redemption at the till", "till", 16, 201, 0.5, None),
    Path("payment notification to answer", "notification", 16, 200, 0.6, None),
)
# Only their statements are counted: as many as for two lines.
WIDE: Final = {"quote": "quote_of_twenty", "place": "place_of_twenty"}
