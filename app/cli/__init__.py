"""The `dealmark` command line."""
