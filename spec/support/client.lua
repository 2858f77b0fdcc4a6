-- Clients for the specs of spec/smtp, over a peer in memory.
local peer = require "spec.support.peer"
local smtplib = require "smtplib"

local client = { smtplib = smtplib }

---A client that has read the greeting of a peer in memory; `options` may have
---`class`. Raises if that fails.
---@param peer_options table|nil those of spec.support.peer
---@param options table|nil those of the class
---@return table server, table peer
function client.connect(peer_options, options)
  local server, other = client.try(peer_options, options)
  if not server then error("no connection: " .. tostring(other)) end
  return server, other
end

---The same, where a failure is expected: nil, err, peer.
function client.try(peer_options, options)
  local there = peer.new(peer_options)
  local given = { host = "localhost", local_hostname = "client.example", transport = there }
  local class = smtplib[peer_options and peer_options.lmtp and "LMTP" or "SMTP"]
  for name, value in pairs(options or {}) do
    if name == "class" then class = smtplib[value] else given[name] = value end
  end
  local server, err = class(given)
  if not server then return nil, err, there end
  return server, there
end

---The last of a list.
function client.last(list)
  return list[#list]
end

---How often the peer got a command that begins so.
function client.count(there, start)
  local n = 0
  for _, line in ipairs(there:commands()) do
    if line:sub(1, #start):upper() == start:upper() then n = n + 1 end
  end
  return n
end

---The misuse that `f` raises: an ordinary error that blames a line of f. Give
---every call in it a line of its own, and no tail call.
---@return string what the error says behind the position
function client.misuse(f)
  local ok, raised = pcall(f)
  if ok then error("no misuse was raised", 2) end
  if type(raised) ~= "string" then error("misuse must be a string, not " .. tostring(raised), 2) end
  local file, line, text = raised:match("^(.-):(%d+): (.*)$")
  local info = debug.getinfo(f, "S")
  line = tonumber(line)
  if not file or not info.source:find(file:gsub("^%.%.%.", ""), 1, true)
    or line < info.linedefined or line > info.lastlinedefined then
    error("misuse does not blame its caller: " .. raised, 2)
  end
  return text
end

return client
