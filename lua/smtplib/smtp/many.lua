-- send_messages: many messages on one connection. With PIPELINING the envelope
-- of the next message travels with the end of the one before (RFC 2920 section
-- 3.1), so that M messages cost M+1 round trips. A connection that is lost marks
-- each message with its own outcome; those that the server surely has not taken
-- go on, on a new one.
local content = require "smtplib.smtp.content"
local deliver = require "smtplib.smtp.deliver"
local envelope = require "smtplib.smtp.envelope"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local jobs = require "smtplib.smtp.job"
local misuse = require "smtplib.misuse"
local transaction = require "smtplib.smtp.transaction"

local many = {}
local methods = {}

-- Servers that lost a message when the next envelope came behind it.
local broken = {}

local function name_of(server)
  return server.host .. ":" .. server.port
end

-- Dovecot's submission service aborts when an envelope follows the final dot;
-- it relays the message all the same, and the reply is lost.
local function is_known_to_break(server)
  return broken[name_of(server)] or (not server.lmtp and tostring(server.greeting):find("Dovecot", 1, true) ~= nil)
end

local function may_overlap(server, wanted)
  if wanted == false or not server.esmtp_features.pipelining then return false end
  return wanted == true or not is_known_to_break(server)
end

---@class smtplib.Many
---@field server table
---@field overlap boolean|"auto"
---@field next_entry function
---@field count integer        entries taken so far
---@field count_result fun(result: table)
---@field on_result fun(i: integer, result: table)?
---@field raised table?         {error} of a caller's function
local Many = {}
Many.__index = Many

-- Call what may raise: the caller's functions, and the checks of his entries. An
-- error is kept until the connection is in order again.
function Many:call(callback, ...)
  local session = self.server.session
  local ok, first, second
  if session then
    ok, first, second = guard.within(session, callback, ...)
  else
    ok, first, second = guard.call(callback, ...)
  end
  if session and session.closing then self.server:close() end
  if ok then return first, second end
  self.raised = { first }
  return nil
end

-- An item from the next entry, checked: {i=, job=} or {i=, err=}.
local function next_item(self)
  local entry = self.next_entry()
  if entry == nil then return nil end
  self.count = self.count + 1
  local job, err = jobs.of_entry("send_messages", entry)
  return { i = self.count, job = job, err = err }
end

-- The next item; nil at the end, and where something was raised.
function Many:take()
  return (self:call(next_item, self))
end

-- Put an item's first transaction behind the one that is under way. What cannot
-- be queued now is tried again in its turn.
local function queue_ahead(session, t)
  local item, server = t.ahead, t.server
  if not item or item.err then return end
  local following = deliver.begin(server, item.job, true)
  if following and transaction.queue(session, following, true) then item.t = following end
end

-- An open connection, a new one if need be.
local function open(server)
  if server:is_open() then return true end
  server:settle()
  local ok, err = server:reconnect()
  return ok, err
end

-- Put an item's first transaction into the empty queue.
local function queue_first(server, item)
  local ok, err = open(server)
  if not ok then return nil, err end
  item.t, err = deliver.begin(server, item.job)
  if not item.t then return nil, err end
  server.session:listen()
  ok, err = transaction.queue(server.session, item.t)
  return ok, err
end

-- Run an item's first transaction; `ahead` is queued before its message ends.
function Many:run(item, ahead)
  local server = self.server
  if not item.t then
    local ok, err = queue_first(server, item)
    if not ok then return nil, err end
  end
  local t = item.t
  if may_overlap(server, self.overlap) then
    t.before_end, t.ahead, t.server = queue_ahead, ahead, server
  end
  local outcome, err = transaction.run(server.session, t)
  return outcome, err
end

-- With the session has gone what was queued on it; a server that lost a message
-- then gets one envelope at a time from now on.
local function forget_queued(server, ahead, err)
  if server:is_open() or not ahead or not ahead.t then return end
  ahead.t = nil
  if err and err.delivery == "unknown" then broken[name_of(server)] = true end
end

-- Lost (421 says so beforehand), surely not taken, and still there to be sent:
-- once. A connection that the caller closed is not lost.
local function deserves_another_try(server, item, err)
  local lost = err:is(errors.SMTPServerDisconnected) or err.smtp_code == 421
  if not lost or err.delivery ~= "none" or item.tried or not server.again then return false end
  item.tried = true
  return not (item.t and item.t.pulled) or content.is_repeatable(item.job.message)
end

function Many:send(item, ahead)
  if item.t and item.t.session ~= self.server.session then item.t = nil end
  local outcome, err = self:run(item, ahead)
  forget_queued(self.server, ahead, err)
  if not outcome then
    local again = deserves_another_try(self.server, item, err)
    item.t = nil
    if again then return self:send(item, ahead) end
    return { err = err }
  end
  -- Where more transactions follow, the next message goes first: its envelope is
  -- on its way already.
  if ahead and ahead.t and deliver.is_unfinished(item.job, outcome) then ahead.result = self:send(ahead, nil) end
  deliver.rest(self.server, item.job, outcome)
  return { refused = outcome.refused, reply = outcome.reply }
end

function Many:loop()
  local item = self:take()
  while item do
    local ahead = self:take()
    local result = item.result or (item.err and { err = item.err }) or self:send(item, ahead)
    self.server:settle()
    self.count_result(result)
    if self.on_result then self:call(self.on_result, item.i, result) end
    self.server:settle()
    item = ahead
    if self.raised then break end
  end
  if not self.raised then return end
  -- The envelope of a message that will not come is on its way.
  if item and item.t then self.server:close() end
  error(self.raised[1], 0)
end

local function iterate(messages)
  if type(messages) == "function" then return messages end
  local i = 0
  return function()
    i = i + 1
    return messages[i]
  end
end

local many_options = { on_result = "function", overlap = "boolean|string" }

local function check(messages, opts)
  misuse.check(messages, "table|function", "messages", "send_messages")
  if type(messages) == "table" then envelope.check_array(messages, "messages", "send_messages") end
  if opts == nil then return {} end
  misuse.check(opts, "table", "opts", "send_messages")
  for name, value in pairs(opts) do
    if not many_options[name] then misuse.raise("unknown option '" .. tostring(name) .. "'") end
    misuse.check(value, many_options[name], name, "send_messages")
  end
  if type(opts.overlap) == "string" and opts.overlap ~= "auto" then
    misuse.argument("overlap", "send_messages", "'auto', true or false expected")
  end
  return opts
end

---Send many messages. results[i] is {refused=, reply={code, message}} or {err=};
---with opts.on_result(i, result) nothing is kept and the call returns how many
---were sent and how many failed.
---@param messages table|function array or iterator of Messages or {from=, to=, message=, …}
---@param opts? {on_result: fun(i: integer, result: table)?, overlap: boolean|"auto"|nil}
---@return table[]|integer|nil results_or_sent
---@return integer|smtplib.Error|nil failed_or_err
function methods:send_messages(messages, opts)
  opts = check(messages, opts)
  local session, err = self:open_session()
  if not session then return nil, err end
  local results, sent, failed = {}, 0, 0
  local function count_result(result)
    if result.err then failed = failed + 1 else sent = sent + 1 end
    if not opts.on_result then results[#results + 1] = result end
  end
  local overlap = opts.overlap
  if overlap == nil then overlap = "auto" end
  setmetatable({
    server = self, overlap = overlap, next_entry = iterate(messages), count = 0,
    count_result = count_result, on_result = opts.on_result,
  }, Many):loop()
  if opts.on_result then return sent, failed end
  return results
end

function many.extend(class)
  for name, method in pairs(methods) do class[name] = method end
end

return many
