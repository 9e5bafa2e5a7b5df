"""The figures of everything, for programs that gather figures: Prometheus and its kin."""
