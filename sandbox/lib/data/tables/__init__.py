"""Tables: columns, what is measured of them, classes and their costs. See ../README.md."""
