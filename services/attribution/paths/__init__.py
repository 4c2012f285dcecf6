"""Attribution of conversions to channels over path summaries, as batches: numpy, no state."""
