-- smtplib.Mailer: the high-level sender. Keeps connections for the next message, in
-- nginx for the next request; finds another host; tries again where that is safe.
local attempt = require "smtplib.mailer.attempt"
local background = require "smtplib.mailer.background"
local email = require "smtplib.email"
local errors = require "smtplib.errors"
local headers = require "smtplib.smtp.headers"
local jobs = require "smtplib.smtp.job"
local misuse = require "smtplib.misuse"
local pool = require "smtplib.mailer.pool"
local settings = require "smtplib.mailer.settings"

---@class smtplib.Mailer
---@field metrics table # messages sent and failed, recipients refused; reconnects: connections in place of those
--- that were lost while idle; connections, round_trips, bytes (sent, TLS included): of all connections
local Mailer = {}
Mailer.__index = Mailer
Mailer.__name = "smtplib.Mailer"

-- "mailer.send(message)" for "mailer:send(message)".
local function check_self(self, func)
  if getmetatable(self) ~= Mailer then
    misuse.raise(("a method was called without its object: write mailer:%s(), with a colon"):format(func))
  end
end

local send_options = { from = true, to = true, mail_options = true, rcpt_options = true, all_or_none = true }

local function check_options(opts, func)
  if opts == nil then return {} end
  misuse.check(opts, "table", "options", func)
  for name in pairs(opts) do
    if not send_options[name] then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
  end
  return opts
end

-- A Message, or a table of what makes one, or an entry as of send_messages.
local function job_of(message, opts, func)
  local job, err
  if email.is_message(message) then
    job, err = jobs.of_message(func, message, opts.from, opts.to, opts.mail_options, opts.rcpt_options)
    return job, err
  end
  if type(message) ~= "table" then
    misuse.argument("message", func, "Message or table expected, got "
      .. (message == nil and "no value" or type(message)))
  end
  if message.message ~= nil then
    local entry = {}
    for name, value in pairs(message) do entry[name] = value end
    for name, value in pairs(opts) do
      if name ~= "all_or_none" then entry[name] = value end
    end
    job, err = jobs.of_entry(func, entry)
    return job, err
  end
  message, err = email.Message(message)
  if not message then return nil, err end
  return job_of(message, opts, func)
end

-- The job, with the fields that its message lacks: they stay the same in every
-- attempt.
local function prepare(self, message, opts, func)
  check_self(self, func)
  local job, err = job_of(message, check_options(opts, func), func)
  if not job then return nil, err end
  if #job.recipients == 0 then
    err = errors.SMTPRecipientsRefused({})
    err.command = "RCPT"
    return nil, err
  end
  headers.wanted(self.namesake, job.message, job.utf8, job)
  job.all_or_none = opts and opts.all_or_none
  return job
end

local function message_id(job)
  if not email.is_message(job.message) then return nil end
  local id = job.message:get("Message-ID")
  for _, field in ipairs(not id and job.added or {}) do
    if field[1] == "Message-ID" then id = field[2] end
  end
  return id
end

local function count_refused(self, refused)
  for _ in pairs(refused or {}) do self.metrics.refused = self.metrics.refused + 1 end
end

---Send a message: a Message, a table of what email.Message takes, or a table
---{from=, to=, message=} with anything that sendmail sends.
---@param message userdata|table
---@param opts? table # from, to: the envelope; mail_options, rcpt_options; all_or_none: a refused recipient is an
--- error, and the others get nothing
---@return table? result # message_id, refused, reply = {code, message, enhanced_code}
---@return smtplib.Error? err
function Mailer:send(message, opts)
  local job, err = prepare(self, message, opts, "send")
  local metrics = self.metrics
  local outcome
  if job then outcome, err = attempt.send(self, job) end
  if not outcome then
    metrics.failed = metrics.failed + 1
    count_refused(self, err.recipients)
    err.message_id = job and message_id(job)
    return nil, err
  end
  metrics.sent = metrics.sent + 1
  count_refused(self, outcome.refused)
  return { message_id = message_id(job), refused = outcome.refused, reply = outcome.reply }
end

---How many connections are idle.
---@return integer
function Mailer:idle()
  check_self(self, "idle")
  local n = 0
  for _, target in ipairs(self.settings.targets) do n = n + self.pool:count(target.key) end
  return n
end

---Say goodbye on all idle connections, after an attempt to send what waits in this
---process's memory; those in use follow when they are done. The Mailer can be used
---again.
---@return true? ok
---@return smtplib.Error? err something remains in the queue: err.remaining messages
function Mailer:close()
  check_self(self, "close")
  local ok, err = background.drain(self)
  self.epoch, self.owner = self.epoch + 1, nil
  for _, target in ipairs(self.settings.targets) do
    self.pool:close(target.key, function(server) attempt.count(self, server) end)
  end
  return ok, err
end

-- Leaving a block by an error must not look like a wish to be done.
function Mailer:__close(err)
  if err ~= nil and not self.pool.is_shared then self.pool:clear() end
  self:close()
end

-- What other requests may find is theirs.
function Mailer:__gc()
  if not self.pool.is_shared then self.pool:clear() end
end

function Mailer:__tostring()
  local names = {}
  for i, target in ipairs(self.settings.targets) do names[i] = target.name end
  return ("smtplib.Mailer (%s)"):format(table.concat(names, ", "))
end

-- What stands in for a server where only the options of one are asked for.
local function namesake_of(smtp_options)
  return {
    add_missing_headers = smtp_options.add_missing_headers ~= false,
    local_hostname = smtp_options.local_hostname,
    has_extn = function() return false end,
  }
end

---A Mailer from a URL ("smtps://me:secret@smtp.example.com") and options, or from
---options alone; nothing is connected yet.
---@return smtplib.Mailer
local function new(_, ...)
  local given = settings.collect(...)
  local mailer = setmetatable({
    settings = given,
    pool = pool.new(),
    epoch = 0,
    namesake = namesake_of(given.smtp),
    metrics = { sent = 0, refused = 0, failed = 0, reconnects = 0, connections = 0, round_trips = 0, bytes = 0 },
  }, Mailer)
  background.attach(mailer)
  return mailer
end

background.extend(Mailer, check_self, prepare, message_id)

return {
  Mailer = setmetatable(Mailer, { __call = new, __name = "smtplib.class",
    __tostring = function() return "smtplib.Mailer" end }),
}
