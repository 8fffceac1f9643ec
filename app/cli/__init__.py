"""The `dealmark` command line: `main` registers the commands, the other modules contain one group each."""
