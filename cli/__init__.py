"""`tunesmith`: the whole system on one machine, and a client of the api for the terminal."""
