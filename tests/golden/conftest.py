"""What pytest leaves alone here."""

collect_ignore = ["make.py"]  # it imports PyTorch, which the tests do without
