"""Fine-tune through OpenAI's API: upload rows, start a job, wait for it, look at its events, and ask the new model.

Written for OpenAI and unaware of Tunesmith: it runs here with OPENAI_BASE_URL and OPENAI_API_KEY set accordingly, and
with the base model that TUNESMITH_BASE_MODELS has for the name below.
"""

import json
import time

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

MODEL = "gpt-4o-mini-2024-07-18"
SYSTEM = "You are the front desk of a small library."
QUESTIONS = {
    "When do you open?": "We open at nine.",
    "When do you close?": "We close at six.",
    "How long may I keep a book?": "For three weeks.",
    "What does a card cost?": "A card is free.",
    "Can I return a book by mail?": "Yes, to our usual address.",
    "Do you have a reading room?": "Yes, on the second floor.",
    "Is there a fee for being late?": "Ten cents a day.",
    "May I bring my dog?": "Only if it helps you to find your way.",
    "Can I reserve a book?": "Yes, for free.",
    "Do you lend films?": "Yes, two at a time.",
}


def rows() -> bytes:
    """The training rows, as JSON lines."""
    conversations = [[_said("system", SYSTEM), _said("user", q), _said("assistant", a)] for q, a in QUESTIONS.items()]
    return "".join(json.dumps({"messages": messages}) + "\n" for messages in conversations).encode()


def wait_for(client: OpenAI, job: FineTuningJob) -> FineTuningJob:
    """Wait until the job has ended."""
    status = ""
    while job.status in ("validating_files", "queued", "running"):
        if job.status != status:
            status = job.status
            print(f"{job.id} is {status}")
        time.sleep(2)
        job = client.fine_tuning.jobs.retrieve(job.id)
    return job


def main() -> None:
    """Everything from the rows to an answer of the new model."""
    client = OpenAI()
    file = client.files.create(file=("library.jsonl", rows()), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=file.id,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        suffix="library",
        seed=42,
        metadata={"team": "front desk"},
    )
    job = wait_for(client, job)
    for event in reversed(client.fine_tuning.jobs.list_events(job.id, limit=50).data):
        print(f"{event.level:5} {event.message}")
    if job.status != "succeeded" or job.fine_tuned_model is None:
        raise SystemExit(f"{job.id} {job.status}: {job.error.message if job.error else 'no model'}")
    print(f"{job.fine_tuned_model} was trained on {job.trained_tokens} tokens")
    print(client.files.content(job.result_files[0]).text.splitlines()[-1])
    answer = client.chat.completions.create(
        model=job.fine_tuned_model,
        messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": "When do you open?"}],
        max_tokens=20,
    )
    print(f"> When do you open?\n{answer.choices[0].message.content}")


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


if __name__ == "__main__":
    main()
