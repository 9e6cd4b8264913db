"""A shop and a shopper with an address, as a mini program meets them."""

import pytest

from shop.models import Customer, Merchant
from tests.orders import makers
from tests.shop.conftest import Api, open_shop, signed_in


@pytest.fixture
def merchant(db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture
def customer(merchant: Merchant) -> Customer:
    return makers.shopper(merchant)


@pytest.fixture
def api(customer: Customer) -> Api:
    return signed_in(customer)
