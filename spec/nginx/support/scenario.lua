-- What a client does with a mail server, and what comes of it, as plain data: the
-- same in nginx and outside, to be compared.
local handler = require "spec.nginx.support.handler"
local smtplib = require "smtplib"

local scenario = {}

-- Hosts have words of their own for what went wrong, and whether a connection that
-- is closed in between is noticed when the next command is written or when its reply
-- is read is a matter of chance.
local function is_of_chance(err, key)
  if key == "text" then return true end
  if err.name == "SMTPSocketError" then return key == "message" end
  return err.name == "SMTPServerDisconnected" and (key == "message" or key == "command" or key == "code")
end

local show

local function show_fields(value, is_left_out)
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    if not (is_left_out and is_left_out(value, key)) then
      parts[#parts + 1] = tostring(key) .. "=" .. show(value[key])
    end
  end
  return "{" .. table.concat(parts, " ") .. "}"
end

function show(value)
  if type(value) == "table" then return show_fields(value, value.is_error and is_of_chance) end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function note(results, name, ...)
  local list, parts = handler.pack(...), {}
  for i = 1, list.n do parts[i] = show(list[i]) end
  results[#results + 1] = name .. ": " .. table.concat(parts, ", ")
end

---@param options table of smtplib.SMTP, and lmtp
---@return string[] results
function scenario.run(options)
  local results, given = {}, { local_hostname = "client.example" }
  for name, value in pairs(options) do
    if name ~= "lmtp" then given[name] = value end
  end
  local server, err = smtplib[options.lmtp and "LMTP" or "SMTP"](given)
  if not server then
    note(results, "connect", nil, err)
    return results
  end
  local to = { "b@example.org", "c@example.org" }
  note(results, "sendmail", server:sendmail("a@example.com", to, "Subject: 1\n\n.one\n"))
  note(results, "is_open", server:is_open())
  note(results, "noop", server:noop())
  note(results, "a second sendmail", server:sendmail("a@example.com", to, ("a longer line\n"):rep(5000)))
  note(results, "is_open", server:is_open())
  local many, failure = server:send_messages {
    { from = "a@example.com", to = to, message = "Subject: 3\n\n3\n" },
    { from = "a@example.com", to = "d@example.org", message = "Subject: 4\n\n4\n" },
  }
  note(results, "send_messages", many and #many, failure)
  for _, result in ipairs(many or {}) do note(results, "one of them", result.refused, result.err) end
  note(results, "quit", server:quit())
  note(results, "is_open", server:is_open())
  return results
end

---A message of 40 MB to a server that will not take it.
---@return table err
function scenario.send_large(options)
  local server = assert(smtplib.SMTP(options))
  local _, err = server:sendmail("a@example.com", "b@example.org", ("0123456789abcdef\n"):rep(2500000))
  assert(not server:is_open())
  return err
end

return scenario
