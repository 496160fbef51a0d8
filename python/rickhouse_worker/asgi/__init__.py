"""ASGI 3 on an event loop: HTTP and WebSocket (specification 2.5), lifespan (2.0), and the six extensions."""
