"""Spark itself: Java, sessions, slots, the Python of its processes, jobs that can be cancelled."""
