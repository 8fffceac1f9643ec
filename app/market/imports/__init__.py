"""Files of listings and price snapshots into the market's tables."""
