"""`dealmark up`: embedded servers, sample data and supervision, for development."""
