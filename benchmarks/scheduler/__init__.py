"""The policy engine beside Pacemaker's: time and memory of whole commands."""
