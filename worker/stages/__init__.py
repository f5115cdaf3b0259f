"""Stage programs: each is `python -m worker.stages.NAME RUN_DIR` and knows no database and no Celery."""
