"""exaroton's WebSocket: the socket of a server and, a module a kind, the streams that a client may start on it."""
