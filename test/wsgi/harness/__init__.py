"""What the tests stand on: a strict HTTP client, servers as children, signals between a test and an application."""

PATIENCE = 60.0  # seconds that whatever has to happen may take, however busy the machine is
