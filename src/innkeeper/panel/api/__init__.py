"""Our own API, at `/api/innkeeper/v1`: everything the product can do, in its own words.

The routes parse and hand on to one core call each; views render what comes back. Who may is asked at one door.
"""

PREFIX = "/api/innkeeper/v1"
