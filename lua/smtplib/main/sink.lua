-- smtplib sink: a mail server that takes everything and prints it.

local sink = require "smtplib.sink"

local command = {
  usage = [[
smtplib sink [--host ADDRESS] [--port N] [--lmtp] [--tls starttls|implicit]
             [--certfile FILE --keyfile FILE] [--auth USER:PASSWORD]
             [--size BYTES] [--count N] [--quiet]
  Takes all mail and prints each message as it arrives. --count ends it after
  N messages, --quiet prints one line each.]],
  known = {
    host = "string", port = "number", lmtp = "flag", tls = "string", certfile = "string",
    keyfile = "string", auth = "list", size = "number", count = "number", quiet = "flag",
  },
}

local function options_of(given)
  local options = {
    host = given.host, port = given.port or 2525, lmtp = given.lmtp, tls = given.tls,
    certfile = given.certfile, keyfile = given.keyfile,
  }
  if given.size then options.extensions = { SIZE = given.size } end
  for _, pair in ipairs(given.auth or {}) do
    local user, password = pair:match("^([^:]+):(.*)$")
    if not user then return nil, "--auth wants USER:PASSWORD" end
    options.auth = options.auth or {}
    options.auth[user] = password
  end
  return options
end

local function recipients_of(message)
  local list = {}
  for i, recipient in ipairs(message.to) do list[i] = "<" .. recipient.addr .. ">" end
  return table.concat(list, " ")
end

local function print_message(out, n, message, quiet)
  out:write(("#%d from <%s> to %s, %d bytes, %s%s\n"):format(n, message.from,
    recipients_of(message), #message.data, message.tls or "in clear",
    message.auth_user and " as " .. message.auth_user or ""))
  if not quiet then out:write((message.data:gsub("\r\n", "\n")), "\n") end
  out:flush()
end

---@return number exit status
function command.run(given, streams)
  local options, complaint = options_of(given)
  if not options then return nil, complaint end
  local server, err = sink.start(options)
  if not server then
    streams.err:write("smtplib sink: ", tostring(err), "\n")
    return 1
  end
  streams.out:write(("listening on %s:%d\n"):format(server.host, server.port))
  if server.cafile then streams.out:write("certificate to trust: ", server.cafile, "\n") end
  streams.out:flush()
  local seen = 0
  while seen < (given.count or math.huge) do
    local ok
    ok, err = server:wait(1, math.huge)
    if not ok then break end
    for _, message in ipairs(server:take()) do
      seen = seen + 1
      print_message(streams.out, seen, message, given.quiet)
    end
  end
  server:stop()
  if err then streams.err:write("smtplib sink: ", tostring(err), "\n") end
  return err and 1 or 0
end

return command
