"""What a seller's title says: which CPU of a catalogue, and what is offered beside it. No database, no GraphQL."""
