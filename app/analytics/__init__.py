"""Price targets, performance values and their recalculation."""
