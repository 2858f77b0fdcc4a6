-- A client for HTTP over a Unix socket: HTTP/1.0, a connection for each request,
-- so that a response ends where the connection does. Requests can be left open
-- while others are made.
local core = require "smtplib.core"

local http = {}

local Request = {}
Request.__index = Request

---Send a request; its response is read later.
---@param path string of the socket
---@param method string
---@param uri string
---@param body? string
---@param timeout? number seconds for each wait
---@return table request
function http.open(path, method, uri, body, timeout)
  local stream = core.tcp()
  assert(stream:connect("unix:" .. path, 0, { timeout = timeout or 60 }))
  local length = body and ("Content-Length: %d\r\n"):format(#body) or ""
  assert(stream:send(("%s %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n"):format(method, uri, length) .. (body or "")))
  return setmetatable({ stream = stream }, Request)
end

---Wait for the response.
---@return integer status, string body, string head
function Request:response()
  local pieces = {}
  local bytes, why = self.stream:receive()
  while bytes do
    pieces[#pieces + 1] = bytes
    bytes, why = self.stream:receive()
  end
  self:close()
  local text = table.concat(pieces)
  local head, body = text:match("^(HTTP/.-)\r\n\r\n(.*)$")
  if not head then error(("no response (%s): %q"):format(tostring(why), text), 2) end
  return tonumber(head:match("^HTTP/%S+ (%d+)")), body, head
end

---Go away without waiting.
function Request:close()
  self.stream:close()
end

return http
