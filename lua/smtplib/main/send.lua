-- smtplib send: hand a ready message to a server.

local smtplib = require "smtplib"

local command = {
  usage = [[
smtplib send --from ADDRESS --to ADDRESS [--to …] [--host HOST] [--port N]
             [--starttls | --tls starttls|implicit|opportunistic] [--lmtp]
             [--cafile FILE] [--user USER] [--timeout SECONDS] [--debug] [FILE]
  Sends the message in FILE, or what is piped in. The password comes from the
  environment: SMTPLIB_PASSWORD. Ends with 0 when all recipients were taken,
  75 when it is worth trying again, 1 otherwise.]],
  known = {
    from = "string", to = "list", host = "string", port = "number", tls = "string",
    starttls = "flag", lmtp = "flag", cafile = "string", user = "string", timeout = "number",
    debug = "flag",
  },
}

local TRY_AGAIN = 75 -- EX_TEMPFAIL of sysexits.h

local function report(streams, err)
  streams.err:write("smtplib send: ", tostring(err), "\n")
  return err.temporary and TRY_AGAIN or 1
end

local function options_of(given)
  return {
    host = given.host or "localhost", port = given.port, timeout = given.timeout,
    tls = given.starttls and "starttls" or given.tls,
    tls_options = given.cafile and { cafile = given.cafile } or nil,
    user = given.user, password = given.user and (os.getenv "SMTPLIB_PASSWORD" or ""),
    debuglevel = given.debug and 1 or nil,
  }
end

-- Prints who was refused. Refusals that are all temporary may be tried again.
local function verdict(streams, refused)
  local status = 0
  for address, reply in pairs(refused) do
    streams.err:write(("refused: %s: %s %s\n"):format(address, reply[1], reply[2]))
    local one = reply[1] >= 400 and reply[1] < 500 and TRY_AGAIN or 1
    status = status == 1 and 1 or one
  end
  return status
end

---@return number|nil exit status
---@return string|nil complaint about the words
function command.run(given, streams)
  if not given.from then return nil, "--from is missing" end
  if not given.to then return nil, "--to is missing" end
  local source = streams.input
  if given[1] and given[1] ~= "-" then
    local file, why = io.open(given[1], "rb")
    if not file then
      streams.err:write("smtplib send: ", why, "\n")
      return 1
    end
    source = file
  end
  local class = given.lmtp and smtplib.LMTP or smtplib.SMTP
  local server, err = class(options_of(given))
  if not server then return report(streams, err) end
  local refused
  refused, err = server:sendmail(given.from, given.to, source)
  if not refused then
    server:close()
    return report(streams, err)
  end
  server:quit()
  return verdict(streams, refused)
end

return command
