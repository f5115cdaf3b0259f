"""The scorecard: what a job's models were measured to be, as one document that every view is made from."""
