"""Example bodies, as shown in the OpenAPI page."""

from fastapi.openapi.models import Example

JOB_EXAMPLES: dict[str, Example] = {
    "recipe": {
        "summary": "The whole recipe",
        "description": "Chat on 50,000 rows of UltraChat, then tools on 60,000 rows of xlam: 3,125 + 3,750 steps.",
        "value": {"base_model": "Qwen/Qwen2.5-3B"},
    },
    "own-data": {
        "summary": "One stage on a file of your own",
        "description": "A JSONL file of OpenAI chat rows below DATA_ROOT, measured on held-out rows.",
        "value": {
            "base_model": "./examples/tiny-base",
            "stages": [
                {
                    "name": "tools",
                    "data": {"source": "tools-train.jsonl", "format": "openai"},
                    "learning_rate": 0.0002,
                    "max_seq_length": 1024,
                }
            ],
            "evaluation": {"tools": {"source": "tools-heldout.jsonl"}},
            "suffix": "support",
            "metadata": {"team": "support"},
        },
    },
}
