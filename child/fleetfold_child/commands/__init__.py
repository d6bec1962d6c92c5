"""Actions and the execution of their commands: semaphore, time limits, retries, outcomes."""
