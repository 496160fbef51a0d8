"""What the tests stand on: a strict HTTP client, servers as children, signals between a test and an application."""
