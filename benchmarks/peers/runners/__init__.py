"""One program for each peer and mode: how that library sends one push to many devices."""
