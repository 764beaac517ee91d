"""The audit of a real host: facts as the kernel and the system tell them, then what they mean."""
