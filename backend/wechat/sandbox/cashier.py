"""Two pages for people: the cashier of one prepay_id, and every trade at a glance."""

from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import quote

from . import clock
from .control import Control
from .trades import CLOSED, DESCRIPTIONS, PaymentRefused, Trade
from .wire import HTML_TYPE, Reply
from .world import World

SHOWN: Final = 200
STYLE: Final = """
*{box-sizing:border-box}body{margin:0;background:#ededed;color:#191919;
font:16px/1.5 -apple-system,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
.phone{max-width:390px;margin:32px auto;background:#fff;border-radius:28px;overflow:hidden;
box-shadow:0 8px 40px rgba(0,0,0,.12)}.bar{padding:14px;text-align:center;font-weight:600;
background:#f7f7f7;border-bottom:1px solid #e5e5e5}.sum{padding:36px 20px 28px;text-align:center}
.sum b{display:block;font-size:44px;line-height:1.2}.what{color:#666;overflow-wrap:anywhere}
dl{margin:0 20px;padding:16px 0;border-top:1px solid #eee;font-size:14px;display:grid;
grid-template-columns:auto 1fr;gap:6px 16px}dt{color:#666}dd{margin:0;text-align:right;
overflow-wrap:anywhere}form{padding:8px 20px 28px;display:grid;gap:12px}button{padding:13px;
border:0;border-radius:8px;font:inherit;font-weight:600;cursor:pointer}.pay{background:#07893f;
color:#fff}.no{background:#f2f2f2;color:#444}button:focus-visible,a:focus-visible{outline:3px solid
#10aeff;outline-offset:2px}.told{margin:0 20px 24px;padding:12px 16px;border-radius:8px;
background:#eef7f1;text-align:center}.told.bad{background:#fdeeee}.note{padding:0 20px 24px;
font-size:13px;color:#666;text-align:center}.page{max-width:1040px;margin:32px auto;padding:0 20px}
h1{font-size:24px;margin:0 0 4px}.card{background:#fff;border-radius:12px;overflow-x:auto;
margin:20px 0;padding:4px 16px}table{width:100%;border-collapse:collapse;font-size:14px}th,td{
padding:10px 8px;text-align:left;border-bottom:1px solid #eee;white-space:nowrap}tr:last-child td{
border:0}td.n{text-align:right;font-variant-numeric:tabular-nums}a{color:#0b5fbf}
code{font-size:13px}th{color:#666;font-weight:500}
"""


def index(world: World) -> Reply:
    """What this is, and the newest trades."""
    trades = sorted(world.trades.all.values(), key=lambda t: t.created_at, reverse=True)
    rows = "".join(_row(world, trade) for trade in trades[:SHOWN]) or (
        '<tr><td colspan="6">还没有交易 No trades yet</td></tr>'
    )
    accounts = "".join(
        f"<tr><td><code>{escape(a['appid'])}</code></td><td>{escape(a['mch_id'])}</td></tr>"
        for a in world.accounts.shown()
    )
    more = f"，显示最新 {SHOWN} 笔 newest {SHOWN}" if len(trades) > SHOWN else ""
    return _page(
        "微信沙箱 WeChat sandbox",
        f"""<main class="page"><h1>微信沙箱 WeChat sandbox</h1>
<p>本地的微信：登录、支付与退款，仅供开发测试，不涉及真实资金。<br>
A WeChat of your own for development and tests. No real money moves here.</p>
<section class="card"><h2>交易 Trades ({len(trades)}{more})</h2>
<table><tr><th>商户订单号 Number</th><th>商户 Merchant</th><th>金额 Amount</th>
<th>状态 State</th><th>已退款 Refunded</th><th>收银台 Cashier</th></tr>
{rows}</table></section>
<section class="card"><h2>账户 Accounts</h2><table><tr><th>appid</th><th>mch_id</th></tr>
{accounts}</table></section>
<p>接口 Calls: <code>POST /_sandbox/login-code, phone-code, pay, faults, rules, accounts</code>,
<a href="/_sandbox/books">books</a>, <a href="/_sandbox/faults">faults</a>,
<a href="/_sandbox/rules">rules</a>, <a href="/_sandbox/ca.pem">ca.pem</a></p></main>""",
    )


def _row(world: World, trade: Trade) -> str:
    link = f"/cashier?prepay_id={quote(next(reversed(trade.prepay)))}"
    refunded = world.refunds.refunded(trade)
    return (
        f"<tr><td><code>{escape(trade.out_trade_no)}</code></td><td>{escape(trade.mch_id)}</td>"
        f'<td class="n">{_yuan(trade.total_fee)}</td><td>{_state(trade)}</td>'
        f'<td class="n">{_yuan(refunded) if refunded else "-"}</td>'
        f'<td><a href="{link}">打开 Open</a></td></tr>'
    )


def show(world: World, prepay_id: str, told: str = "") -> Reply:
    """The cashier as the shopper's phone would draw it."""
    try:
        trade = world.trades.at_cashier(prepay_id)
    except PaymentRefused as error:
        return _refusal(error)
    payable = not trade.is_paid and trade.state != CLOSED
    message = _told(trade, told)
    buttons = f"""<form method="post" action="/cashier">
<input type="hidden" name="prepay_id" value="{escape(prepay_id)}">
<button class="pay" name="outcome" value="success">支付 Pay {_yuan(trade.total_fee)}</button>
<button class="no" name="outcome" value="cancel">取消 Cancel</button></form>"""
    return _page(
        "收银台 Cashier",
        f"""<main class="phone"><div class="bar">微信沙箱收银台 Sandbox cashier</div>
<div class="sum"><div class="what">{escape(trade.request["body"])}</div>
<b>{_yuan(trade.total_fee)}</b></div>{message}
<dl><dt>商户 Merchant</dt><dd>{escape(trade.mch_id)}</dd>
<dt>订单号 Order</dt><dd>{escape(trade.out_trade_no)}</dd>
<dt>状态 State</dt><dd>{_state(trade)}</dd>
<dt>有效至 Expires</dt><dd>{clock.spoken(trade.expires_at)}</dd></dl>
{buttons if payable else ""}
<p class="note">不涉及真实资金 No real money · <a href="/">全部交易 All trades</a></p></main>""",
    )


def tap(control: Control, form: Mapping[str, str]) -> Reply:
    """A button was tapped; the page that follows says what came of it."""
    prepay_id, outcome = form.get("prepay_id", ""), form.get("outcome", "")
    if outcome not in {"success", "cancel"}:
        return _refusal(PaymentRefused("bad_outcome", "outcome is success or cancel"))
    told = outcome
    try:
        control.pay(prepay_id, outcome)
    except PaymentRefused as error:
        if error.code in {"unknown_prepay_id", "prepay_expired"}:
            return _refusal(error)
        told = error.code
    location = f"/cashier?prepay_id={quote(prepay_id)}&told={quote(told)}"
    return Reply(content_type=HTML_TYPE, status=303, location=location)


def _told(trade: Trade, told: str) -> str:
    if trade.is_paid and told in {"", "success"}:
        return '<p class="told" role="status">支付成功 Paid</p>'
    if told == "cancel":
        return '<p class="told bad" role="status">已取消支付 Payment cancelled</p>'
    if told and told != "success":
        return f'<p class="told bad" role="status">支付失败 Payment refused: {escape(told)}</p>'
    return ""


def _refusal(error: PaymentRefused) -> Reply:
    reply = _page(
        "收银台 Cashier",
        f"""<main class="phone"><div class="bar">微信沙箱收银台 Sandbox cashier</div>
<div class="sum">打不开这笔支付 This payment can't be opened</div>
<p class="told bad" role="alert">{escape(str(error))}</p>
<p class="note"><a href="/">全部交易 All trades</a></p></main>""",
    )
    return Reply(reply.body, HTML_TYPE, status=404)


def _state(trade: Trade) -> str:
    return f"{DESCRIPTIONS.get(trade.state, '')} {trade.state}"


def _yuan(fen: int) -> str:
    return f"¥{fen // 100}.{fen % 100:02d}"


def _page(title: str, content: str) -> Reply:
    html = f"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>{STYLE}</style></head><body>{content}</body></html>"""
    return Reply(html.encode(), HTML_TYPE)
