"""The exchange between ranks: sums and copies by shared memory and TCP. Knows nothing of Spark."""
