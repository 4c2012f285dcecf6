"""Reasons of decisions and money: attribution, fraud and payouts."""

from __future__ import annotations

from afflux.kernel.reasons.sentence import Sentence

DECIDING: dict[str, Sentence] = {
    # attribution
    "outside_window": Sentence(
        "The click is older than the window.", "Клик старше окна атрибуции."
    ),
    "after_conversion": Sentence("The click came after the conversion.", "Клик позже конверсии."),
    "other_advertiser": Sentence(
        "The click belongs to another advertiser.", "Клик по другому рекламодателю."
    ),
    "other_offer": Sentence("The click belongs to another offer.", "Клик по другому офферу."),
    "earlier_touch": Sentence("A later click is credited.", "Засчитан более поздний клик."),
    "not_the_reported_click": Sentence(
        "The report names another click.", "В отчёте указан другой клик."
    ),
    "flagged_invalid": Sentence("The click is invalid.", "Клик недействителен."),
    "offer_unknown": Sentence("The offer is not in the catalogue.", "Оффера нет в каталоге."),
    "goal_not_in_offer": Sentence("The offer has no such goal.", "У оффера нет такой цели."),
    "no_touch": Sentence("No click leads to the conversion.", "К конверсии не ведёт ни один клик."),
    "outside_view_window": Sentence(
        "The view is older than the view window.", "Показ старше окна показов."
    ),
    "view_beaten_by_click": Sentence(
        "A click is credited; a view counts only without one.",
        "Засчитан клик; показ засчитывается только без клика.",
    ),
    "assisted": Sentence(
        "The touch helped, but the model gives it no share.",
        "Касание помогло, но модель не даёт ему доли.",
    ),
    "coupon_touch": Sentence("The coupon's partner is credited.", "Засчитан партнёр купона."),
    "coupon_unknown": Sentence(
        "The advertiser has no such coupon.", "У рекламодателя нет такого купона."
    ),
    "coupon_expired": Sentence(
        "The coupon was not valid at the time of the order.",
        "Купон не действовал в момент заказа.",
    ),
    "coupon_other_offer": Sentence(
        "The coupon belongs to another offer.", "Купон относится к другому офферу."
    ),
    "customer_bound": Sentence(
        "The customer is bound to whom an earlier conversion was credited to.",
        "Клиент закреплён за тем, кому засчитана прежняя конверсия.",
    ),
    "customer_unbound": Sentence(
        "The customer was unbound; nobody is credited for it.",
        "Клиент откреплён; за него никому не засчитывается.",
    ),
    "lifetime_over": Sentence(
        "The time or the number of payments the customer was bound for is over.",
        "Срок или число платежей, на которые закреплён клиент, исчерпаны.",
    ),
    "lifetime_none": Sentence(
        "No earlier conversion of this customer is credited to anybody.",
        "Ни одна прежняя конверсия этого клиента никому не засчитана.",
    ),
    "too_late": Sentence("The click was recorded after the grace.", "Клик записан позже отсрочки."),
    # fraud
    "bot_user_agent": Sentence("The user agent is a known bot's.", "User agent известного бота."),
    "repeated_click": Sentence(
        "The visitor clicked the same link again within the limit.",
        "Посетитель снова нажал ту же ссылку раньше предела.",
    ),
    "short_click_to_conversion": Sentence(
        "The conversion came sooner after the click than the offer allows.",
        "Конверсия наступила быстрее, чем допускает оффер.",
    ),
    "flagged_click": Sentence("The credited click was flagged.", "Засчитанный клик помечен."),
    "click_unscreened": Sentence(
        "The credited click has not been screened yet.", "Засчитанный клик ещё не проверен."
    ),
    # payouts
    "conversion_accrued": Sentence("The conversion was accrued.", "Конверсия начислена."),
    "partner_unknown": Sentence("The partner is not in the catalogue.", "Партнёра нет в каталоге."),
    "held_again": Sentence(
        "It is held again after its release.", "Снова удержано после освобождения."
    ),
    "payout_instructed": Sentence("A payout was instructed.", "Выплата поручена."),
    "payout_paid": Sentence("The bank paid the payout.", "Банк провёл выплату."),
    "payout_failed": Sentence(
        "The payout failed; the money is available again.",
        "Выплата не прошла; деньги снова доступны.",
    ),
    "no_rule": Sentence("No commission rule matches.", "Ни одно правило комиссии не подходит."),
    "fx_rate_missing": Sentence("The exchange rate is missing.", "Нет обменного курса."),
    "advertiser_rejected": Sentence("The advertiser rejected it.", "Рекламодатель отклонил."),
    "refunded": Sentence("The order was refunded.", "Заказ возвращён."),
    "charged_back": Sentence("The payment was charged back.", "Платёж оспорен."),
    "amended": Sentence("The order value was changed.", "Сумма заказа изменена."),
    "reinstated": Sentence("The conversion was reinstated.", "Конверсия восстановлена."),
    "fraud_rejected": Sentence("Fraud control rejected it.", "Отклонено контролем фрода."),
    "decision_superseded": Sentence(
        "A later decision replaced the earlier one.", "Новое решение заменило прежнее."
    ),
    "hold_over": Sentence("The hold is over.", "Срок удержания истёк."),
}
