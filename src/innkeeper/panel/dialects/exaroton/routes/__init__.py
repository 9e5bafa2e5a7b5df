"""exaroton's REST routes, a module a subject. A path is served with and without a trailing slash, never redirected."""
