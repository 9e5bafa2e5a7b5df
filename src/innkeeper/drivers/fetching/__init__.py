"""What installers that take something from a vendor have in common: one store of downloads for all servers."""
