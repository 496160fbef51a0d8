"""An ASGI application that echoes WebSocket messages.

The query chooses what becomes of the WebSocket: refuse, or subprotocol=NAME.
"""


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise ValueError(f"no WebSocket: {scope['type']}")
    assert (await receive())["type"] == "websocket.connect"
    query = scope["query_string"].decode()
    if query == "refuse":
        await send({"type": "websocket.close"})
        return
    subprotocol = query.removeprefix("subprotocol=") if query else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": [(b"x-echo", b"yes")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message.get("bytes"), "text": message.get("text")})
