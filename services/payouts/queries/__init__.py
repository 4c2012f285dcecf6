"""The one place with SQL of this service: writing a step, posting payouts, the outbox, reports."""
