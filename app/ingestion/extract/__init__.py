"""From a fetched page to offers."""
