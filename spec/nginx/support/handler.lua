-- Runs inside nginx: what the specs let a request do there (spec/nginx/support/
-- nginx.lua). A request's body is a frame with Lua code and its arguments; the
-- response is a frame with what the code returned, error tables as plain ones.
local smtplib = require "smtplib"
local wire = require "smtplib.sink.wire"

local handler = {}

---What was kept by requests whose phase has no response of its own.
handler.kept = {}

-- As data for another process; what is none is named.
local function plain(value)
  local kind = type(value)
  if smtplib.is_error(value) then
    local copy = { is_error = true, text = tostring(value) }
    for key, field in pairs(value) do copy[key] = plain(field) end
    return copy
  end
  if kind == "table" then
    local copy = {}
    for key, field in pairs(value) do copy[plain(key)] = plain(field) end
    return copy
  end
  if kind == "function" or kind == "userdata" or kind == "thread" or kind == "cdata" then return tostring(value) end
  return value
end

---The values as plain data, with how many there are.
local function pack(...)
  local list = { n = select("#", ...) }
  for i = 1, list.n do list[i] = plain((select(i, ...))) end
  return list
end

handler.pack = pack

local function body_of_request()
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if body then return body end
  local file = assert(io.open(ngx.req.get_body_file(), "rb"))
  body = file:read("*a")
  file:close()
  return body
end

---Run the request's code and answer with what it returns. What it raises is not
---caught: that is a 500 and a line in the error log, as it would be for a user.
function handler.run()
  local reader = wire.reader()
  reader:feed(body_of_request())
  local request = reader:next()
  local f = assert(loadstring(request.code, request.name))
  ngx.print(wire.frame(pack(f(unpack(request.arguments, 1, request.arguments.n)))))
end

---Connect, send a message, say goodbye.
---@param subject string
---@param options table of smtplib.SMTP
function handler.send(subject, options)
  local server, err = smtplib.SMTP(options)
  if not server then return nil, err end
  local refused
  refused, err = server:sendmail("a@example.com", "b@example.org", "Subject: " .. subject .. "\n\nHello.\n")
  server:quit()
  return refused, err
end

---Send two messages with a Mailer of a thread, which nginx lets wait as it likes.
function handler.send_in_thread(host, port)
  local mailer = smtplib.Mailer { host = host, port = port }
  local connections
  for _ = 1, 2 do
    local result, err = mailer:send { from = "a@example.com", to = "b@example.org", subject = "from a thread", text = "x" }
    if not result then return tostring(err) end
    connections = mailer.metrics.connections
  end
  mailer:close()
  return connections
end

---Send a message from whatever phase this is called in, and keep what came of it:
---with an SMTP object, and, where that fails, with a Mailer.
function handler.try(name, host, port)
  handler.keep(name, handler.send("from " .. name, { host = host, port = port }))
  if handler.kept[name][1] then return end
  local mailer = smtplib.Mailer { host = host, port = port, retries = 3 }
  handler.keep(name .. " by a Mailer", mailer:send { from = "a@example.com", to = "b@example.org", text = "Hello." })
end

---Keep what a function returned, for a later request to fetch.
---@param name string
function handler.keep(name, ...)
  handler.kept[name] = pack(...)
end

return handler
