"""Match seller titles with the CPUs of a catalogue, and read the other components in a title. No database, no GraphQL.

tokenizer splits a text into words; cpu_names parses the names of the catalogue; title_context finds the words around a
model number; matcher decides; components reads memory, storage and quantity; vocabulary holds the word lists.
"""
