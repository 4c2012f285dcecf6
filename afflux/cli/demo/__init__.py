"""`afflux demo`: a whole network, half a minute of real traffic, and the proof."""
