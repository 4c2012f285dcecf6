"""Pure decisions of attribution: journeys, windows, models, parking, the decision itself."""
