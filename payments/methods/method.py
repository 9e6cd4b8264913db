"""What every way to pay can do. None of it is called inside a transaction."""

from typing import ClassVar, Protocol

from backend.wechat.trades import CloseOutcome, RefundState, Trade
from payments.models import Payment, Refund


class Method(Protocol):
    """A way to pay. Failures are Refused, Retry and Unknown of `backend.wechat.errors`."""

    name: ClassVar[str]

    def start(self, payment: Payment) -> str:
        """Open the trade that `payment.request` describes; its prepay_id."""

    def client(self, payment: Payment) -> dict[str, str]:
        """What the front end needs to let the shopper pay."""

    def ask(self, payment: Payment) -> Trade:
        """Where the trade stands."""

    def close(self, payment: Payment) -> CloseOutcome:
        """Close the trade, so that nobody pays it any more."""

    def refund(self, refund: Refund) -> str:
        """Ask for money to go back; WeChat's number of the refund."""

    def ask_refund(self, refund: Refund) -> RefundState | None:
        """Where the refund stands; None when WeChat never took it on."""
