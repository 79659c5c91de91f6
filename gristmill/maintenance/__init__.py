"""Verification and garbage collection of local and shared stores."""
