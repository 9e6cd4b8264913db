"""A WeChat of our own: it answers over HTTP as api.weixin.qq.com and api.mch.weixin.qq.com do.

For development and tests. It knows nothing of the shop: standard library and `cryptography` only,
written from WeChat's documentation, so that a mistake in our client cannot be repeated here.
"""
