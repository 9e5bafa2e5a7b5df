"""What running servers use: cpu, memory, processes, disk."""
