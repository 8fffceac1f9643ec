"""`dealmark up`: embedded servers, sample data, and supervision of processes, for development."""
