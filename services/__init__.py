"""The services: each imports afflux, none imports another."""
