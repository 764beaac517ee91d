"""The only door to a running node: HTTP on a unix socket, with peer credentials."""
