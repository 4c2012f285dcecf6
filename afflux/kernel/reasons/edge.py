"""Reasons of the edge: clicks, and reports of conversions."""

from __future__ import annotations

from afflux.kernel.reasons.sentence import Sentence

EDGE: dict[str, Sentence] = {
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
    "status_changed": Sentence(
        "This conversion was kept before; its new status is taken as an approval or rejection.",
        "Эта конверсия уже принята; новый статус учтён как одобрение или отклонение.",
    ),
    "status_backwards": Sentence(
        "A status goes from pending to approved or rejected and from approved to rejected, not "
        "back; what was rejected is reinstated by an adjustment.",
        "Статус меняется с ожидания на одобрение или отклонение и с одобрения на отклонение, но не "
        "обратно; отклонённое восстанавливает корректировка reinstate.",
    ),
    "conversion_ambiguous": Sentence(
        "The click has several conversions of this goal; name one by its txn_id or key.",
        "У клика несколько конверсий этой цели; укажите одну по txn_id или ключу.",
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
}
