-- The blocking transport: a stream of the operating system, in C
-- (csrc/os/tcp.h). It also moves bytes between the core's buffers and the
-- kernel by itself (`flush`, `fill`), without making Lua strings of them.
local core = require "smtplib.core"

local blocking = {}

---A transport that is not connected yet. Its methods:
---`connect(host, port [, options])` with `timeout = seconds | {connect=, send=,
---read=}`, `source_address = {host, port}`, `family = 4 | 6`;
---`send(bytes)`, `receive()`, `settimeout(seconds)`,
---`settimeouts(connect, send, read)`, `close()`, `is_open()`, `is_loopback()`,
---`local_literal()`, `peer()`, `near()`, `fileno()`. What fails returns nil, a
---name ("closed", "timeout", "lookup", "ECONNREFUSED", …) and a sentence, and
---has closed the stream.
---@return userdata
function blocking.new()
  return core.tcp()
end

return blocking
