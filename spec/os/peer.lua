-- What the specs of sockets stand on: listeners, and peers in child processes.
local core = require "smtplib.core"

local peer = {}

-- A listener on a free port of 127.0.0.1 and a child that runs
-- `behave(stream, channel)` for its first client. Returns port and child.
function peer.serve(behave, host)
  local listener = assert(core.listen(host or "127.0.0.1", 0))
  local port = listener:port()
  local child = assert(core.spawn(function(channel)
    local stream = assert(listener:accept(10))
    listener:close()
    behave(stream, channel)
  end, listener))
  listener:close()
  return port, child
end

-- Both ends of a connection in this process: client, server.
function peer.pair(host, options)
  local listener = assert(core.listen(host or "127.0.0.1", 0))
  local client = core.tcp()
  options = options or {}
  options.timeout = options.timeout or 5
  assert(client:connect(host or "127.0.0.1", listener:port(), options))
  local server = assert(listener:accept(5))
  listener:close()
  server:settimeout(5)
  return client, server
end

-- A port where nobody listens.
function peer.free_port()
  local listener = assert(core.listen("127.0.0.1", 0))
  local port = listener:port()
  listener:close()
  return port
end

function peer.sleep(seconds)
  core.poll({}, {}, seconds)
end

-- A path for a Unix socket, removed with os.remove.
function peer.unix_path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

return peer
