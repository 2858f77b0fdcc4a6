-- Two TLS filters that talk to each other in memory.
--
--   local client, server = pair.connect(client_context, server_context, {host = "localhost"})
local core = require "smtplib.core"
local certs = require "spec.support.certs"

local pair = {}

-- Carry what one filter has to say to the other, `step` bytes at a time.
local function carry(from, to, step)
  local bytes = from:output()
  step = step or #bytes
  for i = 1, #bytes, math.max(step, 1) do
    to:input(bytes:sub(i, i + step - 1))
  end
  return #bytes > 0
end

-- Until both are silent.
function pair.pump(a, b, step)
  repeat
    local moved = carry(a, b, step)
    moved = carry(b, a, step) or moved
  until not moved
end

-- All plain bytes that have come.
function pair.read(filter)
  local parts = {}
  for bytes in function() return (filter:read()) end do parts[#parts + 1] = bytes end
  return table.concat(parts)
end

function pair.server_context(name, more)
  local options = { server = true, certfile = certs.path(name .. ".pem"), keyfile = certs.path(name .. ".key") }
  for key, value in pairs(more or {}) do options[key] = value end
  return assert(core.tls_context(options))
end

-- A value of "none" takes a default away.
function pair.client_context(more)
  local options = { cafile = certs.path("ca.pem") }
  for key, value in pairs(more or {}) do
    if value == "none" then value = nil end
    options[key] = value
  end
  return assert(core.tls_context(options))
end

-- opts: host (default localhost), peer, step
function pair.connect(client_context, server_context, opts)
  opts = opts or {}
  local host = opts.host
  if host == nil then host = "localhost" end
  local server = core.tls(server_context)
  local client = core.tls(client_context, host or nil, opts.peer)
  pair.pump(client, server, opts.step)
  return client, server
end

-- One byte of conversation, so that tickets arrive, and a clean end.
function pair.finish(client, server, step)
  server:write("x")
  pair.pump(client, server, step)
  assert(pair.read(client) == "x")
  client:shutdown()
  server:shutdown()
  pair.pump(client, server, step)
  client:read()
  server:read()
end

return pair
