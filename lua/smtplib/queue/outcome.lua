-- What becomes of a message that was taken out of a queue and sent, or not: who gets
-- it later, for whom it is lost.
local errors = require "smtplib.errors"

local outcome = {}

-- These are about the connection or the login, not about the message: the message
-- waits until that is mended.
local elsewhere = {
  SMTPAuthenticationError = true, SMTPTLSError = true, SMTPConnectError = true, SMTPHeloError = true,
  SMTPServerDisconnected = true, SMTPSocketError = true, SMTPResponseException = true,
}

local commands_elsewhere = { EHLO = true, HELO = true, LHLO = true, STARTTLS = true, AUTH = true }

local function may_pass(err)
  return err.temporary or err.delivery == "unknown" or elsewhere[err.name]
    or (err.name == "SMTPNotSupportedError" and commands_elsewhere[err.command]) or false
end

local function is_permanent(reply)
  return type(reply) == "table" and (tonumber(reply[1]) or 0) >= 500
end

-- By recipient: a reply in `refused` that is permanent ends it, any other one does
-- not; `others`: what is to be done for those without one.
local function divide(recipients, refused, others, command)
  local later, lost, count = {}, {}, 0
  for _, one in ipairs(recipients) do
    local reply = refused[one.addr]
    if is_permanent(reply) then
      lost[one.addr] = reply
      count = count + 1
    elseif reply or others == "later" then
      later[#later + 1] = one
    end
  end
  if count == 0 then return later, nil end
  local err = errors.SMTPRecipientsRefused(lost)
  err.command = command
  return later, err
end

-- Nobody has it; one who never will is one too many.
local function all_or_none(recipients, err)
  for _, reply in pairs(err.recipients) do
    if is_permanent(reply) then return {}, err end
  end
  return recipients, nil
end

---@param record table its `to`: recipients, each with addr
---@param refused table<string, table>|nil of a message that was sent
---@param err smtplib.Error|nil why it was not
---@return table[] later those to whom it is to be sent again
---@return smtplib.Error? lost why there is no more hope for the rest, or some of it
function outcome.judge(record, refused, err)
  local recipients = record.to
  if not err then return divide(recipients, refused, "sent", "RCPT") end
  if err.recipients and next(err.recipients) then
    if record.all_or_none then return all_or_none(recipients, err) end
    return divide(recipients, err.recipients, "later", err.command)
  end
  if may_pass(err) then return recipients, nil end
  return {}, err
end

return outcome
