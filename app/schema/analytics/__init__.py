"""GraphQL side of price targets, performance values and recalculation."""
