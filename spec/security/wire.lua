-- A peer in memory whose wire is kept: what left the client, byte by byte.
local peers = require "spec.support.peer"
local smtplib = require "smtplib"

local wire = {}

---A peer that records; `sent` is all that the client wrote, over all connections.
function wire.peer(options)
  local peer = peers.new(options)
  peer.sent = ""
  local send = peer.send
  peer.send = function(self, bytes)
    peer.sent = peer.sent .. bytes
    return send(self, bytes)
  end
  return peer
end

---A client connected to such a peer, EHLO said.
function wire.connect(options, client)
  local peer = wire.peer(options)
  local given = { host = "mx.example.org", port = 25, local_hostname = "me.example.org", transport = peer }
  for name, value in pairs(client or {}) do given[name] = value end
  local server = assert(smtplib.SMTP(given))
  assert(server:ehlo_or_helo_if_needed())
  return server, peer
end

---The command lines of what was sent, each without its CRLF; raises for a bare
---CR or LF, and for any other control character.
function wire.lines(sent)
  local lines, rest = {}, sent
  while rest ~= "" do
    local line, behind = rest:match("^([^\r\n]*)\r\n(.*)$")
    assert(line, ("not a line: %q"):format(rest))
    assert(not line:find("[%z\1-\31\127]"), ("a control character: %q"):format(line))
    lines[#lines + 1], rest = line, behind
  end
  return lines
end

return wire
