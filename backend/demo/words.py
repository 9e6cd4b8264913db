"""What the demo says: stores, vouchers, banners, notices, and sample legal pages."""

from __future__ import annotations

from typing import Any, Final

_DAILY: Final = [[["09:00", "21:00"]]] * 7
_SHOP_HOURS: Final = [*[[["10:00", "21:30"]]] * 5, *[[["09:30", "22:00"]]] * 2]

# Latitude, longitude, seven days of hours, and the rest. The addresses don't exist.
STORES: Final[tuple[tuple[str, str, list[list[list[str]]], dict[str, Any]], ...]] = (
    (
        "30.318900",
        "120.098400",
        _DAILY,
        {
            "name": "良渚总仓",
            "code": "WAREHOUSE",
            "is_default": True,
            "sort": 0,
            "phone": "0571-00000001",
            "province": "浙江省",
            "city": "杭州市",
            "district": "余杭区",
            "detail": "示例路 1 号 3 号库",
        },
    ),
    (
        "30.249600",
        "120.155100",
        _SHOP_HOURS,
        {
            "name": "湖滨小店",
            "code": "LAKESIDE",
            "sort": 1,
            "phone": "0571-00000002",
            "province": "浙江省",
            "city": "杭州市",
            "district": "上城区",
            "detail": "示例街 88 号一层",
        },
    ),
)

# Name, threshold, off, how many, each, claimable from (days), valid days (0: fixed dates).
TEMPLATES: Final = (
    ("新朋友见面礼", 5000, 1000, 5000, 1, 0, 30),
    ("满 100 减 20", 10000, 2000, 2000, 2, 0, 15),
    ("满 200 减 50", 20000, 5000, 1000, 1, 0, 15),
    ("限量五十张 满 99 减 30", 9900, 3000, 50, 1, 0, 7),
    ("茶友专享 满 150 减 35", 15000, 3500, 800, 3, 0, 0),
    ("下周开抢 满 300 减 80", 30000, 8000, 300, 1, 7, 10),
)

# Promotions that nobody claims: name, and tiers of threshold and off; then name, threshold, and the
# code of what comes along.
SALE: Final = ("满额立减", ((69900, 6000), (129900, 15000)))
PRESENT: Final = ("满 499 元赠公道杯", 49900, "POT-02")

# When, and the template's id.
MESSAGES: Final = (
    ("coupon_given", "TPL-COUPON-GIVEN"),
    ("coupon_expires", "TPL-COUPON-EXPIRES"),
)

# Its voucher's name and terms, and the code that is printed inside.
BOX_CODE: Final = ("开箱有礼 立减 5 元", {"off_fen": 500}, "SHANYE")

# Text, what is drawn, the colour behind, and the product it leads to.
BANNERS: Final = (
    ("新茶到了，先喝为敬", ("teapot", "cup", "tin"), "抹茶", "TEA-01"),
    ("把床铺成云", ("bed", "pillow", "lamp"), "雾蓝", "BED-01"),
    ("山里吃食，应季发车", ("fruit", "nuts", "jar"), "姜黄", "NUT-01"),
    ("送礼不为难", ("candle", "card", "scarf"), "樱粉", "CAN-01"),
)

NOTICES: Final = (
    "欢迎来到山野小集：这是一家演示商店，付款都在沙盒里。",
    "满 99 元包邮，优惠后计算。",
    "湖滨小店周末延长营业到 22:00。",
)

SECTIONS: Final = (
    ("本周热卖", ("NUT-01", "HON-03", "TOW-01", "SHI-02", "CUP-01", "TEA-01")),
    ("茶桌上", ("POT-01", "POT-03", "TEA-03", "TEA-04", "CAK-02")),
    ("慢慢住", ("BED-01", "LMP-01", "CAN-01", "VAS-01", "BAS-01")),
    ("送人正好", ("CAR-01", "SCA-01", "CLO-01", "BOO-01")),
)

_SAMPLE: Final = (
    "<p><strong>本文为演示用示例文本，不具法律效力；上线前请换成贵店审定的版本。</strong></p>"
)

LEGAL: Final = (
    (
        "terms",
        "用户协议（示例）",
        _SAMPLE + "<h3>一、关于本店</h3><p>山野小集是一家演示商店。"
        "您在这里下的订单只用来体验流程，不会发出真实商品。</p>"
        "<h3>二、下单与付款</h3><p>提交订单后请在页面提示的时间内付款，逾期订单会自动关闭，"
        "占用的库存与优惠券随即退回。</p>"
        "<h3>三、优惠券</h3><p>每张券的门槛、面额与有效期以领取时所示为准。</p>",
    ),
    (
        "privacy",
        "隐私政策（示例）",
        _SAMPLE + "<h3>一、我们需要什么</h3><p>登录需要微信给出的标识；发货需要收货人、电话与地址；"
        "只在您点选时才请求手机号。</p>"
        "<h3>二、我们不做什么</h3><p>不出售个人信息；查找附近门店用到的位置用过即弃。</p>"
        "<h3>三、您的权利</h3><p>您可以随时在“我的”里注销账户；依法须留存的账目会去除个人信息。</p>",
    ),
    (
        "returns",
        "退换说明（示例）",
        _SAMPLE
        + "<h3>一、七天无理由</h3><p>标明支持的商品，签收次日起七天内、不影响二次销售即可退。</p>"
        "<h3>二、不支持的商品</h3><p>食品、鲜活与贴身用品除质量问题外不支持无理由退货，页面会提前说明。</p>"
        "<h3>三、运费</h3><p>无理由退货的寄回运费由买家承担；因质量问题退货由本店承担。</p>",
    ),
)
