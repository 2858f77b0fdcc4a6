-- What a Message's header says about its envelope (RFC 5322 section 3.6.2 and
-- 3.6.6), and how its copy for the wire differs from the caller's: without Bcc,
-- with Date, Message-ID and MIME-Version.
local email = require "smtplib.email"
local errors = require "smtplib.errors"

local headers = {}

local function utils()
  return require "smtplib.email.utils"
end

-- Resent-* fields count when there is one set of them; of several nobody could
-- tell which belongs to this sending.
local function prefix(message)
  if message:contains("Resent-Date") then
    if #message:get_all("Resent-Date") == 1 then return "Resent-" end
    return nil, errors.from_core("header", "the message has more than one set of Resent-* fields", { command = "MAIL" })
  end
  if not (message:contains("Resent-From") or message:contains("Resent-Sender")) then return "" end
  local to = message:contains("Resent-To") or message:contains("Resent-Cc") or message:contains("Resent-Bcc")
  return to and "Resent-" or ""
end

-- Addresses of all fields of that name. Decoded display names may hold what was
-- encoded in order not to separate; then the field as it is on the wire tells.
local function addresses(message, name)
  if not message:contains(name) then return {} end
  local fields = message:get_all(name)
  local list, err = utils().getaddresses(fields)
  if not list then
    local raw = #fields == 1 and message:raw(name)
    if raw then list, err = utils().getaddresses({ raw }) end
  end
  if not list then return nil, err end
  local result = {}
  for i, pair in ipairs(list) do result[i] = pair.addr or pair[2] end
  return result
end

---The envelope sender of a Message: Sender, else the first of From.
---@return string? sender
---@return smtplib.Error? err
function headers.sender(message)
  local start, err = prefix(message)
  if not start then return nil, err end
  for _, name in ipairs { "Sender", "From" } do
    local list, failure = addresses(message, start .. name)
    if not list then return nil, failure end
    if list[1] then return list[1] end
  end
  return nil, errors.from_core("header", "the message has no " .. start .. "From field to take the sender from",
    { command = "MAIL" })
end

---The envelope recipients of a Message: To, Cc and Bcc.
---@return string[]? recipients
---@return smtplib.Error? err
function headers.recipients(message)
  local start, err = prefix(message)
  if not start then return nil, err end
  local all = {}
  for _, name in ipairs { "To", "Cc", "Bcc" } do
    local list, failure = addresses(message, start .. name)
    if not list then return nil, failure end
    for _, address in ipairs(list) do all[#all + 1] = address end
  end
  return all
end

local function domain_of(message)
  local list = addresses(message, "From")
  return list and list[1] and list[1]:match("@([^@]*)$")
end

-- Fields that every sent message has.
local function missing(server, message)
  local add = {}
  if not server.add_missing_headers then return add end
  if not message:contains("Date") then add[#add + 1] = { "Date", utils().formatdate(nil, true) } end
  if not message:contains("Message-ID") then
    add[#add + 1] = { "Message-ID", (utils().make_msgid(nil, domain_of(message) or server.local_hostname)) }
  end
  if not message:contains("MIME-Version") then add[#add + 1] = { "MIME-Version", "1.0" } end
  return add
end

---How a Message is to be written for this server; nil for other messages. What is
---added is kept in the job: in all its transactions it is the same message.
---@param server table
---@param message any
---@param utf8 boolean? the envelope needs SMTPUTF8, so the header may use it
---@param job smtplib.Job?
---@return table?
function headers.wanted(server, message, utf8, job)
  if not email.is_message(message) then return nil end
  local add = job and job.added or missing(server, message)
  if job then job.added = add end
  return {
    cte = server:has_extn("8bitmime") and "8bit" or "7bit",
    utf8 = utf8 or false,
    drop = { "Bcc", "Resent-Bcc" },
    add = add,
  }
end

return headers
