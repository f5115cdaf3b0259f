"""What the processes share: settings, errors, the job spec, states, rows and the functions that change them."""
