-- Queues of a Mailer: messages that wait for being sent later, each a record (see
-- smtplib.queue.record) in a store. What a store is:
--
--   put(record, {delay=, attempts=, over=})  true; nil and why not ("full", "no memory", "too large", an
--                                            error table);
--                                            `over`: also beyond the limit
--   take(seconds)                            a lease { record=, attempts= } on something that is due, for that
--                                            long; false or nil: nothing is; nil, err
--   renew(lease, seconds)                    hold it for so long from now on; false: it is no longer held
--   give_back(lease, delay)                  it may be taken again after that delay
--   acknowledge(lease)                       it is done with
--   size()                                   how many there are, held ones too
--
-- Who takes something and dies has taken it for the time of the lease, no longer.
local core = require "smtplib.core"
local content = require "smtplib.smtp.content"
local email = require "smtplib.email"
local envelope = require "smtplib.smtp.envelope"
local errors = require "smtplib.errors"
local headers = require "smtplib.smtp.headers"
local jobs = require "smtplib.smtp.job"
local misuse = require "smtplib.misuse"
local records = require "smtplib.queue.record"
local utils = require "smtplib.email.utils"

local queue = {}

local known = {
  dict = "string", redis = "table", memory = "boolean", name = "string", limit = "number", lease = "number",
  attempts = "number", max_age = "number", backoff = "number|function", max_backoff = "number",
  concurrency = "number", poll = "number", on_failure = "function",
}

local least = { limit = 1, lease = 0.001, attempts = 1, max_age = 0, backoff = 0, max_backoff = 0, concurrency = 1,
  poll = 0.001 }

local function host_ngx()
  return rawget(_G, "ngx")
end

local function check_dict(name)
  local ngx = host_ngx()
  if not ngx then misuse.raise("option 'queue.dict' works inside nginx only") end
  if not ngx.shared or not ngx.shared[name] then
    misuse.raise(("option 'queue.dict': nginx.conf has no 'lua_shared_dict %s'"):format(name))
  end
end

local function check_kind(given)
  local kinds = (given.dict and 1 or 0) + (given.redis and 1 or 0) + (given.memory and 1 or 0)
  if kinds > 1 then misuse.raise("options 'queue.dict', 'queue.redis' and 'queue.memory' exclude one another") end
  if kinds == 0 and host_ngx() then
    misuse.raise("option 'queue' needs dict = the name of a lua_shared_dict, or redis = {…}")
  end
  if given.dict then check_dict(given.dict) end
end

local function check(given)
  for name, value in pairs(given) do
    if not known[name] then misuse.raise(("unknown option 'queue.%s'"):format(tostring(name))) end
    misuse.check(value, known[name], "queue." .. name, "Mailer")
    if least[name] and type(value) == "number" and (value ~= value or value < least[name]) then
      misuse.argument("queue." .. name, "Mailer", ("a number from %g on expected, got %s"):format(least[name],
        tostring(value)))
    end
  end
  check_kind(given)
end

local defaults = { limit = 10000, attempts = 100, max_age = 86400, backoff = 1, max_backoff = 900, poll = 1 }

-- In nginx leases are renewed while a message is on its way. Elsewhere nothing runs
-- beside a sending that waits, so that a lease must outlast it.
local function default_lease(given)
  if not host_ngx() then return 900 end
  return given.dict and 10 or 30
end

local function open_store(policy)
  if policy.dict then return require("smtplib.queue.dict").new(policy) end
  if policy.redis then return require("smtplib.queue.redis").new(policy) end
  return require("smtplib.queue.memory").new(policy)
end

---@class smtplib.Queue
---@field store smtplib.queue.Store
---@field policy table
---@field name string by which a worker knows it

---The queue that a Mailer's option `queue` describes.
---@param given table
---@param concurrency integer how many connections the Mailer keeps
---@return smtplib.Queue
function queue.new(given, concurrency)
  check(given)
  local policy = {}
  for name, value in pairs(defaults) do policy[name] = value end
  for name, value in pairs(given) do policy[name] = value end
  policy.lease = policy.lease or default_lease(given)
  if given.redis and not given.limit then policy.limit = 100000 end
  policy.concurrency = policy.concurrency or math.max(1, concurrency)
  local store = open_store(policy)
  return { store = store, policy = policy, name = store:describe() .. " " .. (policy.name or "") }
end

-- A raw message as the queue's one that its sendings share: with a Message-ID.
local function with_id(text, id)
  local first = text:match("^From [^\r\n]*\r?\n") or ""
  return first .. "Message-ID: " .. id .. "\r\n" .. text:sub(#first + 1)
end

local function header_of(text)
  local stop = text:find("\r?\n\r?\n")
  return stop and text:sub(1, stop) or text
end

local function id_of_text(text)
  local id = email.message_from_string(header_of(text) .. "\r\n\r\n"):get("Message-ID")
  return id and id:match("^%s*(.-)%s*$")
end

local function read_all(opened)
  if opened.text then return opened.text end
  local pieces = {}
  while true do
    local piece, err = opened.pull()
    if err then return nil, err end
    if not piece then return table.concat(pieces) end
    pieces[#pieces + 1] = piece
  end
end

-- The message as bytes that any server takes: composed now, since what it is made of
-- may not be there later.
local function compose(mailer, job)
  local utf8 = job.utf8 or envelope.needs_utf8(job.recipients)
  local opened, err = content.open(job.message, headers.wanted(mailer.namesake, job.message, utf8, job))
  if not opened then return nil, err end
  local text
  text, err = read_all(opened)
  if not text then return nil, err end
  return text, opened.utf8 or false
end

local function identify(mailer, job, text, id)
  if email.is_message(job.message) then id = id or id_of_text(text) else id = id_of_text(text) end
  if id and id ~= "" then return id, text end
  local err
  id, err = utils.make_msgid(nil, job.sender:match("@([^@%[%]]+)$") or mailer.namesake.local_hostname)
  if not id then id, err = utils.make_msgid() end
  if not id then return nil, err end
  if mailer.namesake.add_missing_headers then text = with_id(text, id) end
  return id, text
end

local function recipients_of(job)
  local list = {}
  for i, one in ipairs(job.recipients) do
    local entry = {}
    for name, value in pairs(one.options or {}) do entry[name] = value end
    entry.addr = one.key
    list[i] = entry
  end
  return list
end

-- A header that only SMTPUTF8 carries asks for it, also when the envelope does not.
local function mail_options_of(job, has_utf8)
  if not has_utf8 then return job.mail_options end
  local options = { SMTPUTF8 = true }
  for name, value in pairs(job.mail_options or {}) do options[name] = value end
  return options
end

local function refusal(self, record, why)
  if errors.is_error(why) then return why end
  local store = self.store:describe()
  if why == "too large" then
    local never = errors.SMTPException(("the message has %d bytes, more than all of %s"):format(#record, store))
    never.code, never.temporary, never.delivery = "size", false, "none"
    return never
  end
  local err = errors.SMTPException(why == "full"
    and ("the queue is full: %.0f messages are in %s"):format(self.policy.limit, store)
    or ("the queue is full: no room for %d bytes in %s"):format(#record, store))
  err.code, err.temporary, err.delivery = "full", true, "none"
  return err
end

---Put a job into the queue.
---@param self smtplib.Queue
---@param mailer table
---@param job smtplib.Job
---@param id string? its Message-ID, where it is known
---@return string? id
---@return smtplib.Error? err
function queue.put(self, mailer, job, id)
  local text, has_utf8 = compose(mailer, job)
  if not text then return nil, has_utf8 end
  id, text = identify(mailer, job, text, id)
  if not id then return nil, text end
  local record = records.encode {
    id = id, from = job.from, to = recipients_of(job), message = text, at = core.wall(),
    mail_options = mail_options_of(job, has_utf8), rcpt_options = job.rcpt_options, all_or_none = job.all_or_none,
  }
  local ok, why = self.store:put(record, {})
  if not ok then
    local err = refusal(self, record, why)
    err.message_id = id
    return nil, err
  end
  return id
end

---The job that a record holds.
---@param record table
---@return smtplib.Job? job
---@return smtplib.Error? err
function queue.job_of(record)
  local job, err = jobs.new("enqueue", record.from, record.to, record.message, record.mail_options,
    record.rcpt_options)
  if job then job.all_or_none = record.all_or_none end
  return job, err
end

return queue
