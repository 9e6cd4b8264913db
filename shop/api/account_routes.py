"""Where the doors of accounts are. `me` itself and `me/center` are in `backend.screens`."""

from __future__ import annotations

from django.urls import path

from shop.api import accounts, addresses, favourites, legal, messages, staff, uploads

routes = [
    path("auth/login", accounts.LoginView.as_view()),
    path("auth/refresh", accounts.RefreshView.as_view()),
    path("auth/logout", accounts.LogoutView.as_view()),
    path("auth/logout-everywhere", accounts.LogoutEverywhereView.as_view()),
    path("me/phone", accounts.PhoneView.as_view()),
    path("me/addresses", addresses.AddressesView.as_view()),
    path("me/addresses/<id:pk>", addresses.AddressView.as_view()),
    path("me/consents", legal.ConsentsView.as_view()),
    path("regions", addresses.RegionsView.as_view()),
    path("shop", legal.ShopView.as_view()),
    path("legal/<slug:kind>", legal.LegalView.as_view()),
    path("favourites", favourites.FavouritesView.as_view()),
    path("favourites/<id:pk>", favourites.FavouriteView.as_view()),
    path("recently-seen", favourites.RecentlySeenView.as_view()),
    path("recently-seen/<id:pk>", favourites.RecentlySeenProductView.as_view()),
    path("message-templates", messages.MessageTemplatesView.as_view()),
    path("me/subscriptions", messages.SubscriptionsView.as_view()),
    path("staff/link", staff.LinkView.as_view()),
    path("staff/me", staff.MeView.as_view()),
    path("uploads", uploads.UploadsView.as_view()),
]
