"""The gateway: owns the public model names, supervises vLLM, and swaps models without a failed request."""
