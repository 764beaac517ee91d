"""The live dashboard: server-rendered pages of what the API tells."""
