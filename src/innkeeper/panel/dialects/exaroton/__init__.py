"""exaroton's REST and WebSocket API, base path `/v1`. ref: exaroton's API documentation."""
