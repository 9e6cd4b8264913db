"""Two shops with a row of everything, and the pages of the desk as their staff open them."""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backend.money import Fen
from coupons import offers
from coupons.models import (
    Card,
    CardDifference,
    CardReport,
    CodeBatch,
    Coupon,
    CouponTemplate,
    Grant,
    Redemption,
    Till,
    WeChatBatch,
)
from orders.models import Order, OrderEvent, OrderLine, Parcel, Purchase, Reduction
from payments.models import Notification, Payment, PaymentStatus, Refund
from shop import stock
from shop.models import (
    Banner,
    Category,
    Customer,
    HomeSection,
    LegalDocument,
    Merchant,
    Message,
    MessageTemplate,
    MiniProgram,
    Notice,
    PayAccount,
    Product,
    Sku,
    Staff,
    Stock,
    StockMovement,
    Store,
)

_numbers = itertools.count(1)
SECRET = "never-to-be-seen-in-a-page-0000"  # noqa: S105


@dataclass
class Shop:
    """A merchant; every text of its rows begins with its mark."""

    mark: str
    merchant: Merchant
    rows: dict[type[Model], Any] = field(default_factory=dict)

    def one(self, model: type[Model]) -> Any:
        return self.rows[model]

    def staff(self, role: Staff.Role, *, active: bool = True) -> Client:
        """Somebody of this role, signed in."""
        user = User.objects.create(username=f"{self.mark}-{role}-{next(_numbers)}", is_staff=True)
        Staff.objects.create(merchant=self.merchant, user=user, role=role, is_active=active)
        return signed_in(user)

    @property
    def owner(self) -> Client:
        return self.staff(Staff.Role.OWNER)


def signed_in(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def operator() -> Client:
    user = User.objects.create(
        username=f"operator-{next(_numbers)}", is_staff=True, is_superuser=True
    )
    return signed_in(user)


def open_shop(mark: str) -> Shop:
    """A shop with one row of everything the desk shows."""
    merchant = Merchant.objects.create(name=f"{mark} shop", slug=mark.lower())
    shop = Shop(mark, merchant)
    add = shop.rows.setdefault
    add(Merchant, merchant)
    store = add(
        Store,
        Store.objects.create(
            merchant=merchant, name=f"{mark} store", code=f"{mark}-1", is_default=True
        ),
    )
    category = add(Category, Category.objects.create(merchant=merchant, name=f"{mark} category"))
    product = add(
        Product,
        Product.objects.create(
            merchant=merchant,
            category=category,
            code=f"{mark}-P",
            name=f"{mark} product",
            specs=[
                {
                    "name": "Colour",
                    "values": [
                        {"value": "red", "picture": "kept.jpg"},
                        {"value": "blue", "picture": ""},
                    ],
                }
            ],
            pictures=["demo/one.jpg"],
        ),
    )
    sku = add(
        Sku,
        Sku.objects.create(
            merchant=merchant,
            product=product,
            code=f"{mark}-K",
            spec_values=["red"],
            price_fen=Fen(5000),
        ),
    )
    shelf = add(Stock, Stock.objects.create(merchant=merchant, sku=sku, store=store))
    stock.receive(shelf, 10, reference=f"{mark} delivery")
    add(StockMovement, StockMovement.objects.get(stock=shelf))
    add(Banner, Banner.objects.create(merchant=merchant, text=f"{mark} banner", picture="b.jpg"))
    add(Notice, Notice.objects.create(merchant=merchant, text=f"{mark} notice"))
    section = add(HomeSection, HomeSection.objects.create(merchant=merchant, title=f"{mark} part"))
    section.products.add(product)
    add(
        LegalDocument,
        LegalDocument.objects.create(
            merchant=merchant,
            kind="terms",
            version=f"{mark}-1",
            title=f"{mark} terms",
            body="x",
            published_at=timezone.now() + dt.timedelta(days=1),
        ),
    )
    add(
        MiniProgram,
        MiniProgram.objects.create(
            merchant=merchant, name=f"{mark} app", appid=f"wx{secrets.token_hex(8)}", secret=SECRET
        ),
    )
    add(
        PayAccount,
        PayAccount.objects.create(
            merchant=merchant,
            appid=f"wx{secrets.token_hex(8)}",
            mch_id=f"{mark}-m",
            api_key=SECRET,
            private_key_pem=SECRET,
        ),
    )
    template = add(
        CouponTemplate,
        CouponTemplate.objects.create(
            merchant=merchant,
            name=f"{mark} voucher",
            kind="spend_and_save",
            terms={"threshold_fen": 10000, "off_fen": 2000},
            total=100,
            valid_days=7,
            starts_at=timezone.now(),
            ends_at=timezone.now() + dt.timedelta(days=9),
        ),
    )
    offers.deal(template)
    template.lots.update(given=3)
    add(
        CodeBatch,
        CodeBatch.objects.create(
            merchant=merchant, template=template, name=f"{mark} codes", text=f"{mark}CODE".upper()
        ),
    )
    add(
        Grant,
        Grant.objects.create(
            merchant=merchant,
            template=template,
            name=f"{mark} grant",
            audience="segment",
            key=f"{mark} grant",
            state="stopped",
        ),
    )
    till = Till(merchant=merchant, store=store, name=f"{mark} till", key=f"{mark} till")
    till.secret = SECRET
    till.save()
    add(Till, till)
    user = User.objects.create(username=f"{mark}-clerk", is_staff=True, first_name=f"{mark} clerk")
    add(Staff, Staff.objects.create(merchant=merchant, user=user, role=Staff.Role.SERVICE))
    _sell(shop)
    return shop


def _sell(shop: Shop) -> None:
    order = paid_order(shop)
    shop.rows[Order] = order
    shop.rows[Redemption] = _redemption(shop)
    _publish(shop)
    _remind(shop)
    payment = Payment.objects.create(
        merchant=shop.merchant,
        purchase=order.purchase,
        account=shop.one(PayAccount),
        method="wechat_jsapi",
        out_trade_no=f"{shop.mark}-T",
        amount_fen=order.payable_fen,
        status=PaymentStatus.SUCCEEDED,
        request={"openid": SECRET},
        prepay_id=SECRET,
        payer_openid=SECRET,
        transaction_id=f"{shop.mark}-W",
    )
    shop.rows[Payment] = payment
    shop.rows[Refund] = Refund.objects.create(
        merchant=shop.merchant,
        payment=payment,
        out_refund_no=f"{shop.mark}-R",
        reference="r",
        amount_fen=Fen(100),
        reason=f"{shop.mark} goodwill",
        not_before=timezone.now(),
    )
    shop.rows[Notification] = Notification.objects.create(
        merchant=shop.merchant,
        kind="payment",
        body=SECRET.encode(),
        reason=f"{shop.mark} odd",
        dedupe_key=SECRET,
    )


def _redemption(shop: Shop) -> Redemption:
    """A coupon that was used at the counter."""
    customer = Customer.objects.create(merchant=shop.merchant, nickname=f"{shop.mark} passer-by")
    shop.rows[Customer] = customer
    template, now = shop.one(CouponTemplate), timezone.now()
    coupon = Coupon.objects.create(
        merchant=shop.merchant,
        template=template,
        customer=customer,
        ordinal=1,
        code=f"{shop.mark}-C",
        name=f"{shop.mark} voucher",
        kind=template.kind,
        terms=template.terms,
        status="used",
        valid_from=now,
        valid_until=now + dt.timedelta(days=7),
        claimed_at=now,
    )
    shop.rows[Coupon] = coupon
    return Redemption.objects.create(
        merchant=shop.merchant,
        number=f"{shop.mark}-X",
        coupon=coupon,
        store=shop.one(Store),
        bill_fen=Fen(12000),
        saved_fen=Fen(2000),
        request_key=SECRET,
        request_hash=SECRET,
        by=f"{shop.mark} till",
        at=now,
    )


def _publish(shop: Shop) -> None:
    """The template lies at WeChat, with a card that differs and a report to be made."""
    now = timezone.now()
    mine: dict[str, Any] = {"merchant": shop.merchant}
    batch = WeChatBatch.objects.create(
        **mine,
        template=shop.one(CouponTemplate),
        account=shop.one(PayAccount),
        goods_name=f"{shop.mark} goods",
        request_no=f"{shop.mark}-V",
        stock_id=f"{shop.mark}-V",
        state="stopped",
    )
    card = Card.objects.create(
        **mine, batch=batch, code=f"{shop.mark}-K", openid=SECRET, sent_at=now, error="sold_out"
    )
    shop.rows[WeChatBatch] = batch
    shop.rows[Card] = card
    shop.rows[CardDifference] = CardDifference.objects.create(
        **mine, batch=batch, card=card, ours=f"{shop.mark} unused", theirs="USED", found_at=now
    )
    shop.rows[CardReport] = CardReport.objects.create(
        **mine, card=card, call="use", request_no=SECRET, at=now, error=f"{shop.mark} no"
    )


def _remind(shop: Shop) -> None:
    """A customer was told of a coupon."""
    template = MessageTemplate.objects.create(
        merchant=shop.merchant,
        program=shop.one(MiniProgram),
        event="coupon_given",
        template_id=f"{shop.mark}-M",
        keywords={"thing1": "name"},
    )
    shop.rows[MessageTemplate] = template
    shop.rows[Message] = Message.objects.create(
        merchant=shop.merchant,
        template=template,
        customer=Customer.objects.create(merchant=shop.merchant),
        about=1,
        state="refused",
        error=f"{shop.mark} no",
        act_at=timezone.now(),
    )


def paid_order(shop: Shop, quantity: int = 2) -> Order:
    """An order that waits to be shipped."""
    number = f"{shop.mark}-{next(_numbers)}"
    sku, now = shop.one(Sku), timezone.now()
    customer = Customer.objects.create(merchant=shop.merchant, nickname=f"{shop.mark} shopper")
    goods = Fen(sku.price_fen * quantity)
    sums: dict[str, Any] = {
        "goods_fen": goods,
        "freight_fen": Fen(800),
        "discount_fen": Fen(2000),
        "payable_fen": goods - 1200,
    }
    purchase = Purchase.objects.create(
        merchant=shop.merchant,
        number=f"{number}-P",
        customer=customer,
        status="paid",
        paid_at=now,
        paid_by_id=1,
        method="wechat_jsapi",
        out_trade_no=f"{shop.mark}-T",
        payer_openid=SECRET,
        idempotency_key=number,
        request_hash="h",
        created_at=now,
        expires_at=now,
        **sums,
    )
    order = Order.objects.create(
        merchant=shop.merchant,
        number=number,
        purchase=purchase,
        customer=customer,
        store=shop.one(Store),
        status="paid",
        paid_at=now,
        created_at=now,
        receiver=f"{shop.mark} receiver",
        receiver_phone="13800138000",
        receiver_detail=f"{shop.mark} street",
        **sums,
    )
    line = OrderLine.objects.create(
        merchant=shop.merchant,
        order=order,
        sku=sku,
        stock=shop.one(Stock),
        product_id=sku.product_id,
        sku_code=sku.code,
        name=f"{shop.mark} line",
        specs=[{"name": "Colour", "value": "red"}],
        list_price_fen=sku.price_fen,
        unit_price_fen=sku.price_fen,
        quantity=quantity,
        goods_fen=goods,
        discount_fen=Fen(2000),
        payable_fen=goods - 2000,
    )
    Reduction.objects.create(
        merchant=shop.merchant,
        order=order,
        line=line,
        kind="spend_and_save",
        name=f"{shop.mark} voucher",
        amount_fen=Fen(2000),
        merchant_fen=Fen(2000),
    )
    OrderEvent.objects.create(
        merchant=shop.merchant, order=order, event="pay", by="payment", at=now
    )
    Parcel.objects.create(
        merchant=shop.merchant, order=order, courier="SF", tracking_no=number, shipped_at=now
    )
    return order


def pages() -> list[type[Model]]:
    """Every model the desk has a page for."""
    return list(admin.site._registry)


def address(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def row_pages(model: type[Model]) -> list[str]:
    """The names of every address of a model's that is about one row, dialogs included."""
    prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
    return [
        pattern.name.removeprefix(prefix)
        for pattern in admin.site._registry[model].get_urls()
        if pattern.name and "object_id" in pattern.pattern.converters
    ]


def filled(response: Any) -> dict[str, Any]:
    """What a browser would send back from this form, unchanged."""
    sent: dict[str, Any] = {}
    found: list[forms.BaseForm] = [response.context["adminform"].form]
    for inline in response.context["inline_admin_formsets"]:
        found += [inline.formset.management_form, *inline.formset.forms]
    for form in found:
        for box in form:
            value = box.value()
            widget: Any = box.field.widget
            if isinstance(widget, forms.MultiWidget):
                for place, part in enumerate(widget.decompress(value) or []):
                    sent[f"{box.html_name}_{place}"] = "" if part is None else part.isoformat()
            elif isinstance(widget, forms.CheckboxInput):
                if value:
                    sent[box.html_name] = "on"
            elif isinstance(getattr(widget, "widget", widget), forms.SelectMultiple):
                sent[box.html_name] = value or []
            elif not isinstance(widget, forms.FileInput):
                sent[box.html_name] = "" if value is None else value
    return sent


def errors(response: Any) -> dict[str, Any]:
    """What the form had to say, its inlines included."""
    said: dict[str, Any] = dict(response.context["adminform"].form.errors)
    for inline in response.context["inline_admin_formsets"]:
        for place, form in enumerate(inline.formset.forms):
            said |= {f"{place}-{name}": text for name, text in form.errors.items()}
        if inline.formset.non_form_errors():
            said["rows"] = inline.formset.non_form_errors()
    return said
