-- smtplib probe: what a server says of itself.

local smtplib = require "smtplib"

local command = {
  usage = [[
smtplib probe [--tls implicit] [--lmtp] [--cafile FILE] [--name HELO-NAME]
              [--timeout SECONDS] HOST[:PORT]
  Prints the greeting, the extensions, and with STARTTLS or TLS the version,
  whether the certificate is good, and the login mechanisms. Ends with 0 when
  the server answered and its certificate, if any, is good.]],
  known = {
    tls = "string", lmtp = "flag", cafile = "string", name = "string", timeout = "number",
  },
}

local function line(streams, name, text)
  streams.out:write(("%-12s %s\n"):format(name, (tostring(text):gsub("\n", "\n             "))))
end

local function failure(streams, err)
  streams.err:write("smtplib probe: ", tostring(err), "\n")
  return 1
end

local function options_of(given, verify)
  return {
    tls = given.tls, timeout = given.timeout or 20, local_hostname = given.name,
    tls_options = { cafile = given.cafile, verify = verify },
  }
end

-- Connected and introduced; nil and the error.
local function introduce(given, verify, streams)
  local class = given.lmtp and smtplib.LMTP or smtplib.SMTP
  local server = smtplib.assert(class(options_of(given, verify)))
  local code, message = server:connect(given[1])
  if not code then return nil, message end
  if streams then line(streams, "greeting", code .. " " .. message) end
  local err
  code, err = server:ehlo_or_helo_if_needed()
  if not code then return nil, err end
  return server
end

local function print_features(streams, server)
  local names = {}
  for name in pairs(server.esmtp_features) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local parameters = server.esmtp_features[name]
    line(streams, i == 1 and "extensions" or "",
      name:upper() .. (parameters ~= "" and " " .. parameters or ""))
  end
  if not names[1] then line(streams, "extensions", "none") end
end

-- Through STARTTLS on a connection of its own, verified or not.
local function upgrade(given, verify)
  local server, err = introduce(given, verify)
  if not server then return nil, err end
  local code
  code, err = server:starttls(options_of(given, verify).tls_options)
  if code ~= 220 then
    server:close()
    return nil, code and smtplib.SMTPResponseException(code, err) or err
  end
  code, err = server:ehlo_or_helo_if_needed()
  if not code then return nil, err end
  return server
end

-- The certificate's verdict; then, whatever it was, what is offered under TLS.
local function probe_starttls(streams, given)
  local server, refusal = upgrade(given, true)
  if server then
    line(streams, "certificate", "good")
  elseif refusal:is(smtplib.SMTPTLSError) then
    line(streams, "certificate", "BAD: " .. (refusal.reason or refusal.message))
    server = upgrade(given, false)
  end
  if not server then
    line(streams, "STARTTLS", "FAILED: " .. tostring(refusal))
    return false
  end
  print_features(streams, server)
  server:quit()
  return refusal == nil
end

---@return number|nil exit status
---@return string|nil complaint about the words
function command.run(given, streams)
  if not given[1] or given[2] then return nil, "one HOST[:PORT] is wanted" end
  if given.tls and given.tls ~= "implicit" then return nil, "--tls implicit, or not at all" end
  local server, err = introduce(given, true, streams)
  local good = true
  if not server and given.tls and err:is(smtplib.SMTPTLSError) then
    line(streams, "certificate", "BAD: " .. (err.reason or err.message))
    good = false
    server, err = introduce(given, false, streams)
  elseif server and given.tls then
    line(streams, "certificate", "good")
  end
  if not server then return failure(streams, err) end
  print_features(streams, server)
  local offers_tls = server:has_extn "starttls"
  server:quit()
  if offers_tls then
    streams.out:write "\nwith STARTTLS\n"
    good = probe_starttls(streams, given) and good
  end
  return good and 0 or 1
end

return command
