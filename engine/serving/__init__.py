"""`weft serve`: ComfyUI's HTTP and WebSocket API, on this engine.

Three threads meet here: the event loop answers requests (`app`, and a file of routes for each subject), one thread
looks at prompts that come in (`intake`), one carries them out (`runner`). Between them stands the queue (`queue`),
which has a lock of its own; what clients are told goes from any thread through `sockets`. Below `terminal`;
`commands/serve.py` starts it.
"""
