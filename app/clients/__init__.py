"""What clients ask beside the data: who they are, and whether there is something new."""
