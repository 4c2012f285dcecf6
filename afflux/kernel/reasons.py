"""The one catalogue of reason codes, with a sentence for people in English and Russian.

A module of a service adds none of its own: what a partner or an advertiser can be told stands here.
"""

from __future__ import annotations

from msgspec import Struct


class Sentence(Struct, frozen=True):
    """What a reason code means, for people."""

    en: str
    ru: str


REASONS: dict[str, Sentence] = {
    # tracking: clicks
    "link_unknown": Sentence("No link has this code.", "Ссылки с таким кодом нет."),
    "link_paused": Sentence("The link is paused.", "Ссылка приостановлена."),
    "offer_paused": Sentence("The offer is paused.", "Оффер приостановлен."),
    "partner_paused": Sentence("The partner is paused.", "Партнёр приостановлен."),
    "partner_not_allowed": Sentence(
        "The offer is not open to this partner.", "Оффер не открыт для этого партнёра."
    ),
    "country_not_allowed": Sentence(
        "The offer does not take visitors from this country.",
        "Оффер не принимает посетителей из этой страны.",
    ),
    "country_unknown": Sentence(
        "The offer asks for a country, and the visitor's is not known.",
        "Оффер требует страну, а страна посетителя неизвестна.",
    ),
    "device_not_allowed": Sentence(
        "The offer does not take this kind of device.", "Оффер не принимает такие устройства."
    ),
    "os_not_allowed": Sentence(
        "The offer does not take this operating system.",
        "Оффер не принимает эту операционную систему.",
    ),
    "language_not_allowed": Sentence(
        "The offer does not take browsers in this language.",
        "Оффер не принимает браузеры на этом языке.",
    ),
    "outside_schedule": Sentence(
        "The offer does not run at this hour.", "В это время оффер не работает."
    ),
    "click_cap_reached": Sentence(
        "The offer has had as many clicks as it takes in this period.",
        "Оффер исчерпал лимит кликов за этот период.",
    ),
    "deep_link_not_allowed": Sentence(
        "The page asked for is not the advertiser's; the landing page was shown.",
        "Запрошенная страница не принадлежит рекламодателю; показана целевая страница.",
    ),
    "preview": Sentence(
        "A program fetched it for a preview; nobody saw it.",
        "Запросила программа для предпросмотра; никто не видел.",
    ),
    # tracking: reports
    "authentication_missing": Sentence(
        "Neither a token nor a signature was sent.", "Нет ни токена, ни подписи."
    ),
    "advertiser_unknown": Sentence("No advertiser has this id.", "Рекламодателя с таким id нет."),
    "advertiser_paused": Sentence("The advertiser is paused.", "Рекламодатель приостановлен."),
    "token_wrong": Sentence("The token is not this advertiser's.", "Токен не этого рекламодателя."),
    "token_not_allowed": Sentence(
        "This advertiser must sign its reports.", "Этот рекламодатель обязан подписывать отчёты."
    ),
    "key_unknown": Sentence("The key id is not an active one.", "Ключ с таким id не действует."),
    "signature_wrong": Sentence("The signature does not match.", "Подпись не совпадает."),
    "timestamp_outside": Sentence(
        "The timestamp is more than 300 s from now.", "Отметка времени дальше 300 с от текущего."
    ),
    "nonce_used": Sentence("The nonce was used before.", "Это одноразовое число уже применялось."),
    "address_not_allowed": Sentence(
        "Reports of this advertiser may not come from this address.",
        "С этого адреса отчёты рекламодателя не принимаются.",
    ),
    "rate_limited": Sentence(
        "Too many requests; send again after the time in Retry-After.",
        "Слишком много запросов; повторите через время из Retry-After.",
    ),
    "click_id_malformed": Sentence(
        "That is not a click id of this network.", "Это не идентификатор клика этой сети."
    ),
    "click_id_unknown_key": Sentence(
        "The click id was signed with a key that is not active.",
        "Идентификатор клика подписан недействующим ключом.",
    ),
    "click_id_forged": Sentence(
        "The click id's signature does not match.", "Подпись идентификатора клика не совпадает."
    ),
    "click_id_foreign": Sentence(
        "The click belongs to another advertiser.", "Клик принадлежит другому рекламодателю."
    ),
    "conversion_foreign": Sentence(
        "The conversion belongs to another advertiser.",
        "Конверсия принадлежит другому рекламодателю.",
    ),
    "visitor_erased": Sentence(
        "The visitor of this click was erased.", "Посетитель этого клика удалён."
    ),
    "field_missing": Sentence("A required field is missing.", "Нет обязательного поля."),
    "field_invalid": Sentence("A field has a wrong value.", "Поле имеет неверное значение."),
    "goal_unknown": Sentence("The offer has no such goal.", "У оффера нет такой цели."),
    "body_invalid": Sentence("The body cannot be read.", "Тело запроса не читается."),
    "body_too_large": Sentence("The body is too large.", "Тело запроса слишком велико."),
    "query_too_long": Sentence(
        "The query string is longer than 8 KB.", "Строка запроса длиннее 8 КБ."
    ),
    "encoding_unknown": Sentence(
        "The body has a Content-Encoding other than gzip.",
        "Content-Encoding тела запроса не gzip.",
    ),
    "preset_unknown": Sentence("There is no preset with this name.", "Пресета с таким именем нет."),
    "pixel_not_allowed": Sentence(
        "This advertiser does not take conversions from browsers.",
        "Этот рекламодатель не принимает конверсии из браузера.",
    ),
    "pixel_click_missing": Sentence(
        "A conversion from a browser needs a click id.",
        "Для конверсии из браузера нужен идентификатор клика.",
    ),
    "body_cut": Sentence(
        "The connection ended before the body did.",
        "Соединение прервалось раньше, чем пришло тело запроса.",
    ),
    "body_too_slow": Sentence("The body did not come in time.", "Тело запроса не пришло вовремя."),
    "batch_too_large": Sentence(
        "A batch has at most 1,000 items.", "В пакете не больше 1000 записей."
    ),
    "conflicting_report": Sentence(
        "Another report with the same key and other content was accepted before.",
        "Ранее принят другой отчёт с тем же ключом.",
    ),
    "rejection_cut": Sentence(
        "The edge kept only the beginning of this report; its sender has to send it again.",
        "Сохранено только начало отчёта; пусть отправитель пришлёт его снова.",
    ),
    "sender_unproven": Sentence(
        "Nobody proved whose report this is; a person has to name the advertiser.",
        "Не доказано, чей это отчёт; рекламодателя должен назвать человек.",
    ),
    "journal_full": Sentence(
        "The journal is full; send again later.", "Журнал переполнен; повторите позже."
    ),
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
    # state on disk
    "disk_full": Sentence("The disk has no room.", "На диске нет места."),
    "state_busy": Sentence(
        "Another process has this state open.", "Это состояние открыто другим процессом."
    ),
    "state_damaged": Sentence(
        "The disk gave back other bytes than were written, or files are missing.",
        "Диск вернул не то, что было записано, или файлов не хватает.",
    ),
    "checkpoint_damaged": Sentence(
        "A file of the checkpoint is missing or not as it was.",
        "Файл контрольной точки пропал или изменился.",
    ),
    "state_failed": Sentence("The state cannot go on.", "Состояние не может работать дальше."),
    # postbacks to partners
    "address_refused": Sentence(
        "The host leads to an address that is not public.", "Хост ведёт на непубличный адрес."
    ),
    "redirect_refused": Sentence(
        "The answer redirects to where a postback may not go.",
        "Ответ перенаправляет туда, куда постбэк отправлять нельзя.",
    ),
    "name_unresolved": Sentence("The host has no address.", "У хоста нет адреса."),
    "connection_failed": Sentence("Nobody accepts connections.", "Соединение не принято."),
    "tls_failed": Sentence(
        "The certificate or the encryption was not accepted.",
        "Сертификат или шифрование не принято.",
    ),
    "no_answer": Sentence("No answer came in time.", "Ответ не пришёл вовремя."),
    "protocol_broken": Sentence("The answer is not HTTP.", "Ответ не является HTTP."),
    "answered_error": Sentence(
        "The receiver answered with an error.", "Получатель ответил ошибкой."
    ),
    "endpoint_gone": Sentence(
        "The receiver answered 410: do not call again.",
        "Получатель ответил 410: больше не звонить.",
    ),
    "given_up": Sentence(
        "It was tried for as long as allowed.", "Попытки исчерпали отведённое время."
    ),
    "no_postbacks": Sentence("The partner has no postbacks.", "У партнёра нет постбэков."),
    # records nobody could process
    "frame_damaged": Sentence(
        "The record does not start with a known schema id.", "Запись не начинается с id схемы."
    ),
    "schema_unknown": Sentence("The schema id is unknown.", "Неизвестный id схемы."),
    "schema_foreign": Sentence(
        "The schema belongs to another topic.", "Схема принадлежит другому топику."
    ),
    "value_damaged": Sentence("The value cannot be decoded.", "Значение не декодируется."),
    "value_invalid": Sentence("A field is out of its range.", "Поле вне допустимых значений."),
    "key_mismatch": Sentence(
        "The Kafka key is not the one the value asks for.", "Ключ Kafka не соответствует значению."
    ),
    "value_empty": Sentence("The record has no value.", "У записи нет значения."),
    "unprocessable": Sentence("The record cannot be processed.", "Запись нельзя обработать."),
}


def sentence(code: str, language: str = "en") -> str:
    """Return the sentence of a reason code; raises KeyError for a code nobody declared."""
    known = REASONS[code]
    return known.ru if language == "ru" else known.en
