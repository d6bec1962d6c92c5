"""Request-reply over core NATS: client, server, streamed replies, scatter-gather."""
