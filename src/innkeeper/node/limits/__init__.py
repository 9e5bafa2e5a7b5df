"""What a server's limits rest on: control groups of the kernel, quotas of the file system, and our own accounting."""
