"""How the requests of an evaluation are marked, so that the gateway never counts them as users' traffic.

The mark counts only with the admin key: with any other, a request is a user's whatever its headers say.
"""

EVALUATION_HEADER = "x-tunesmith-evaluation"
