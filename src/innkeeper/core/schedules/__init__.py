"""Schedules: what is done with servers at their times, each time once."""
