"""The part of Tunesmith that runs inside vLLM 0.32: a staged, reversible swap of the weights, over HTTP."""
