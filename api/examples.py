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

FINE_TUNING_JOB_EXAMPLES: dict[str, Example] = {
    "plain": {
        "summary": "As it was sent to OpenAI, but for the model",
        "description": "One stage on an uploaded file, measured on another; what is `auto` follows from the rows.",
        "value": {
            "model": "Qwen/Qwen2.5-3B",
            "training_file": "file-8Qm2yVtLrXb0cWfKpZsN4hJd",
            "validation_file": "file-3TgRkPv9aMw1uXeYqLzC7nBs",
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
            "suffix": "support",
            "seed": 42,
            "metadata": {"team": "support"},
        },
    },
    "stages": {
        "summary": "With stages, an adapter and a rule for what goes live",
        "description": "What the SDK sends for `extra_body={'tunesmith': {…}}`.  The file is for the last stage.",
        "value": {
            "model": "Qwen/Qwen2.5-3B",
            "training_file": "file-8Qm2yVtLrXb0cWfKpZsN4hJd",
            "tunesmith": {
                "stages": [
                    {"name": "chat", "data": {"source": "HuggingFaceH4/ultrachat_200k", "split": "train_sft"}},
                    {"name": "tools", "lora": {"r": 32, "alpha": 32}, "replay_fraction": 0.05},
                ],
                "deploy": {"when": "last_stage"},
            },
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
