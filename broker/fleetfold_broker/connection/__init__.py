"""A supervised connection to the broker: credentials, TLS, subscriptions that outlive it."""
