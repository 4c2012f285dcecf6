-- Erasures once set these columns to a bare NULL, which left the value under the null mask.
ALTER TABLE raw_attribution_decisions
    UPDATE customer_key = nullIf(materialize(toFixedString('', 16)), toFixedString('', 16))
    WHERE conversion_key IN (SELECT conversion_key FROM erased_conversions)
    SETTINGS mutations_sync = 2;

ALTER TABLE raw_fraud_assessments
    UPDATE decided_customer_key = nullIf(materialize(toFixedString('', 16)), toFixedString('', 16))
    WHERE conversion_key IN (SELECT conversion_key FROM erased_conversions)
    SETTINGS mutations_sync = 2;

ALTER TABLE raw_tracking_conversions
    UPDATE
        visitor_key = nullIf(materialize(toFixedString('', 16)), toFixedString('', 16)),
        click_id = nullIf(materialize(toFixedString('', 16)), toFixedString('', 16)),
        customer_key = nullIf(materialize(toFixedString('', 16)), toFixedString('', 16))
    WHERE conversion_key IN (SELECT conversion_key FROM erased_conversions)
    SETTINGS mutations_sync = 2;
