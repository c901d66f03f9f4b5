"""The line between the driver and the ranks: they meet on it, tell, hear, and hand states over."""
