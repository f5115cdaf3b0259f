"""The promise that whatever dies, the job goes on, once: shown by killing, freezing and cutting off everything."""
