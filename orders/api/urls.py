"""Where the doors of orders are."""

from django.urls import path

from orders.api import cart, orders, purchases

urlpatterns = [
    path("cart", cart.CartView.as_view()),
    path("cart/count", cart.CartCountView.as_view()),
    path("cart/items", cart.CartItemsView.as_view()),
    path("cart/items/<id:pk>", cart.CartItemView.as_view()),
    path("cart/select", cart.CartSelectView.as_view()),
    path("cart/remove", cart.CartRemoveView.as_view()),
    path("purchases/quote", purchases.QuoteView.as_view()),
    path("purchases", purchases.PurchasesView.as_view()),
    path("purchases/<number:number>", purchases.PurchaseView.as_view()),
    path("purchases/<number:number>/cancel", purchases.CancelView.as_view()),
    path("orders", orders.OrdersView.as_view()),
    path("orders/counts", orders.CountsView.as_view()),
    path("orders/<number:number>", orders.OrderView.as_view()),
    path("orders/<number:number>/receive", orders.ReceiveView.as_view()),
]
