"""The public HTTP server: jobs, models, deployments, and the inference paths passed through to the gateway."""
