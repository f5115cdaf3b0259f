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

DEPLOYMENT_EXAMPLES: dict[str, Example] = {
    "replace": {
        "summary": "Serve another model under the default name",
        "description": "Its weights replace those that are served; requests wait behind a gate for that long.",
        "value": {"model": "ft:Qwen2.5-3B:default:tuned:VPiroaqU-tools"},
    },
    "beside": {
        "summary": "Serve a job's adapter beside others, under a name of its own",
        "description": "All adapters of one base model are served at once, on one copy of its weights.",
        "value": {"model": "ft:Qwen2.5-3B:default:tuned:VPiroaqU-chat", "alias": "chat", "serve_as": "adapter"},
    },
    "trial": {
        "summary": "Try a model on a tenth of the requests first",
        "description": "After 200 answers it takes all requests, or none if it errs more often or is slower.",
        "value": {
            "model": "ft:Qwen2.5-3B:default:tuned:VPiroaqU-tools",
            "drain": {"timeout_s": 30, "on_timeout": "blue_green"},
            "split": {"percent": 10, "min_requests": 200},
        },
    },
}
