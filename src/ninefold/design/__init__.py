"""Availability as numbers: what a percentage means in downtime, and back."""
