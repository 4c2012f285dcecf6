"""Reasons of what carries the rest: state on disk, postbacks, records nobody could process."""

from __future__ import annotations

from afflux.kernel.reasons.sentence import Sentence

PLUMBING: dict[str, Sentence] = {
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
