"""The GPU worker: claims jobs, runs their stages as programs, and keeps the lease."""
