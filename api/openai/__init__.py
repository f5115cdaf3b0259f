"""The OpenAI API over the same rows: files, fine-tuning jobs and models below `/v1`, as OpenAI's SDK expects them."""
