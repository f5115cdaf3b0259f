"""What the api takes and answers with, one file a resource."""
