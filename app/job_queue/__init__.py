"""Jobs: state, progress and outcome of background work."""
