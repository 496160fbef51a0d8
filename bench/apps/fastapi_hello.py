"""The smallest FastAPI application that answers JSON."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    """Answer 17 octets."""
    return {"Hello": "World"}
