-- Replies and errors in the words of the libraries that smtplib.compat stands in
-- for: they tell a reply by its lines, and a lost connection as sockets do.
local errors = require "smtplib.errors"

local reply = {}

---The lines of a reply: "250-first\n250 last".
---@param code integer
---@param text string
---@param enhanced? string
---@return string
function reply.lines(code, text, enhanced)
  local lines = {}
  for line in ((text or "") .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = enhanced and enhanced .. " " .. line or line
  end
  for i, line in ipairs(lines) do
    lines[i] = ("%d%s%s"):format(code, i < #lines and "-" or " ", line)
  end
  return table.concat(lines, "\n")
end

-- What the first in order of those who were refused was told.
local function of_recipients(recipients)
  local addresses = {}
  for address in pairs(recipients) do addresses[#addresses + 1] = address end
  table.sort(addresses)
  local one = recipients[addresses[1]]
  return one and reply.lines(one[1], one[2], one[3])
end

---The reply that an error stems from, or nil when it was none.
---@param err smtplib.Error
---@return string?
function reply.of(err)
  if err:is(errors.SMTPRecipientsRefused) then return of_recipients(err.recipients) end
  if err:is(errors.SMTPResponseException) and err.smtp_code >= 100 then
    return reply.lines(err.smtp_code, err.smtp_error, err.enhanced_code)
  end
  return nil
end

local of_socket = {
  ECONNREFUSED = "connection refused", timeout = "timeout", closed = "closed",
  lookup = "host or service not provided, or not known",
  EHOSTUNREACH = "no route to host", ENETUNREACH = "network is unreachable",
}

---How a socket would tell it.
---@param err smtplib.Error
---@return string
function reply.of_socket(err)
  if err:is(errors.SMTPServerDisconnected) then return "closed" end
  return of_socket[err.code] or err.message
end

return reply
