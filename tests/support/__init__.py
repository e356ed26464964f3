"""Parts that tests of several tiers share."""
