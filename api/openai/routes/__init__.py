"""One router a resource of the OpenAI API."""
