"""afflux: the affiliate network engine you can audit."""
