"""The flag that asks the running job to stop soon; shared by the main process and its forked children."""

from multiprocessing import get_context

DRAIN = get_context("fork").Event()
