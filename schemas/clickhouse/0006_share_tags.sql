-- Shares whole, as JSON: with what the partner had put into the credited click.
ALTER TABLE raw_attribution_decisions
    ADD COLUMN IF NOT EXISTS shares String AFTER share_denominator;

ALTER TABLE raw_fraud_assessments
    ADD COLUMN IF NOT EXISTS decided_shares String AFTER decided_share_denominator;
