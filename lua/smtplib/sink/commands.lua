-- The commands of a sink session, one function each: decide on the usual reply,
-- let the script have its say, and change the session if the answer was a yes.

local auth = require "smtplib.sink.auth"
local body = require "smtplib.sink.body"
local extensions = require "smtplib.sink.extensions"
local path = require "smtplib.sink.path"

local commands = {}

local function accepted(code)
  return code >= 200 and code < 300
end

---Forget the transaction.
function commands.reset(self)
  self.from, self.from_params, self.to = nil, nil, {}
  self.body, self.chunks, self.received = nil, nil, 0
  self.chunk_refused = nil
end

local function hello(self, verb, argument)
  local extended = verb ~= "HELO"
  local usual
  if (verb == "LHLO") ~= (self.options.lmtp or false) then
    usual = "500 5.5.1 not the protocol spoken here"
  elseif extended and self.options.esmtp == false then
    usual = "502 5.5.1 not implemented"
  elseif argument == "" then
    usual = "501 5.5.4 a name is missing"
  elseif extended then
    usual = { ("%s greets %s"):format(self.name, argument) }
    for _, line in ipairs(extensions.lines(self)) do usual[#usual + 1] = line end
    for i, line in ipairs(usual) do
      usual[i] = (i < #usual and "250-" or "250 ") .. line
    end
  else
    usual = "250 " .. self.name
  end
  if accepted(self:reply(verb, nil, argument, usual)) then
    commands.reset(self)
    self.helo, self.extended = argument, extended
  end
end

local function starttls(self, verb, argument)
  local usual = "220 2.0.0 go ahead"
  if self.tls then
    usual = "503 5.5.1 TLS is on"
  elseif not self.options.starttls then
    usual = "502 5.5.1 not implemented"
  elseif argument ~= "" then
    usual = "501 5.5.4 no parameters allowed"
  end
  if self:reply(verb, nil, argument, usual) == 220 then self:push { "starttls" } end
end

local function quit(self, verb, argument)
  self:reply(verb, nil, argument, "221 2.0.0 bye")
  self:push { "close" }
end

local function rset(self, verb, argument)
  if accepted(self:reply(verb, nil, argument, "250 2.0.0 forgotten")) then commands.reset(self) end
end

-- Commands that change nothing.
local function answer(usual)
  return function(self, verb, argument)
    self:reply(verb, argument ~= "" and argument or nil, argument, usual)
  end
end

local function settle_auth(self, code, scripted)
  -- A scripted reply takes the place of the mechanism from here on.
  if scripted then self.exchange = nil end
  if code == 334 then
    self.mode = "auth"
    return
  end
  if accepted(code) then self.user = self.exchange and self.exchange.user or "" end
  self.mode, self.exchange = "command", nil
end

local function login(self, verb, argument)
  local mechanism, initial = argument:match("^(%S+) ?(.*)$")
  mechanism = mechanism and mechanism:upper()
  local usual
  if not extensions.offers(self, "AUTH") then
    usual = "502 5.5.1 not implemented"
  elseif self.user then
    usual = "503 5.5.1 logged in already"
  elseif self.from then
    usual = "503 5.5.1 not within a transaction"
  elseif not mechanism then
    usual = "501 5.5.4 a mechanism is missing"
  else
    usual, self.exchange = auth.start(self, mechanism, initial ~= "" and initial or nil)
  end
  settle_auth(self, self:reply(verb, mechanism, argument, usual))
end

---A line in answer to a challenge. The script knows it as "AUTH+".
function commands.continue_auth(self, line)
  local usual = "235 2.7.0 welcome"
  if self.exchange then usual = auth.continue(self.exchange, line) end
  settle_auth(self, self:reply("AUTH+", nil, line, usual))
end

local function sender_problem(self, address, parameters)
  if not self.helo then return "503 5.5.1 say hello first" end
  if self.from then return "503 5.5.1 sender given already" end
  if self.options.require_tls and not self.tls then return "530 5.7.0 STARTTLS first" end
  if self.options.require_auth and not self.user then return "530 5.7.0 login first" end
  if not address then return "501 5.5.4 syntax: MAIL FROM:<address>" end
  local unknown = extensions.unknown_parameter(self, "MAIL", parameters)
  if unknown then return "555 5.5.4 parameter not recognised: " .. unknown end
  if address:find("[\128-\255]") and not parameters.SMTPUTF8 then
    return "553 5.6.7 SMTPUTF8 is needed"
  end
  local limit = tonumber(extensions.value(self, "SIZE") or 0) or 0
  if limit > 0 and (tonumber(parameters.SIZE) or 0) > limit then
    return "552 5.3.4 message too big"
  end
  local most = extensions.limit(self, "MAILMAX")
  if most and self.taken >= most then return "421 4.3.2 too many messages" end
  return nil
end

local function mail(self, verb, argument)
  local address, parameters
  local operand = argument:match("^[Ff][Rr][Oo][Mm]:(.*)$")
  if operand then address, parameters = path.parse(operand) end
  local usual = sender_problem(self, address, parameters) or "250 2.1.0 sender ok"
  if accepted(self:reply(verb, address, argument, usual)) then
    commands.reset(self)
    self.from, self.from_params = address or "", parameters or {}
  end
end

local function recipient_problem(self, address, parameters)
  if not self.from then return "503 5.5.1 sender first" end
  if not address or address == "" then return "501 5.5.4 syntax: RCPT TO:<address>" end
  local unknown = extensions.unknown_parameter(self, "RCPT", parameters)
  if unknown then return "555 5.5.4 parameter not recognised: " .. unknown end
  if address:find("[\128-\255]") and not self.from_params.SMTPUTF8 then
    return "553 5.6.7 SMTPUTF8 is needed"
  end
  local most = extensions.limit(self, "RCPTMAX") or self.options.max_recipients
  if most and #self.to >= most then return "452 4.5.3 too many recipients" end
  return nil
end

local function rcpt(self, verb, argument)
  local address, parameters
  local operand = argument:match("^[Tt][Oo]:(.*)$")
  if operand then address, parameters = path.parse(operand) end
  local usual = recipient_problem(self, address, parameters) or "250 2.1.5 recipient ok"
  if accepted(self:reply(verb, address, argument, usual)) then
    self.to[#self.to + 1] = { addr = address or "", params = parameters or {} }
  end
end

local function keep(self, recipients, data, wire)
  local message = {
    helo = self.helo, tls = self.tls and (self.tls.version or true) or false,
    auth_user = self.user, from = self.from, from_params = self.from_params, to = recipients,
    data = data, wire = wire or nil, findings = body.inspect(data), chunked = self.chunks and true,
  }
  self.taken = self.taken + 1
  if self.options.on_message then
    self.options.on_message(message, self)
  else
    self.messages[#self.messages + 1] = message
  end
end

local function message_problem(self, size)
  local limit = tonumber(extensions.value(self, "SIZE") or 0) or 0
  if limit > 0 and size > limit then return "552 5.3.4 message too big" end
  if #self.to == 0 then return "554 5.5.1 no valid recipients" end
  return nil
end

---The message is complete: the reply that takes it, or one per recipient.
---The script knows it as "." (LMTP: with the recipient as its subject).
function commands.finish(self, data, wire)
  -- RFC 1870 §5: the final dot does not count.
  local usual = message_problem(self, self.body.size - (self.chunks and 0 or 3))
    or ("250 2.0.0 taken as %d"):format(self.taken + 1)
  local takers = {}
  if self.options.lmtp and #self.to > 0 then
    for _, recipient in ipairs(self.to) do
      if accepted(self:reply(".", recipient.addr, recipient.addr, usual)) then
        takers[#takers + 1] = recipient
      end
    end
  elseif accepted(self:reply(".", nil, nil, usual)) then
    takers = self.to
  end
  if takers[1] then keep(self, takers, data, wire) end
  commands.reset(self)
end

local function size_limit(self)
  local limit = tonumber(extensions.value(self, "SIZE") or 0) or 0
  return limit > 0 and limit or nil
end

local function data(self, verb, argument)
  local usual = "354 end with a dot"
  if argument ~= "" then
    usual = "501 5.5.4 no parameters allowed"
  elseif self.chunks then
    usual = "503 5.5.1 BDAT has begun"
  elseif not self.from then
    usual = "503 5.5.1 sender first"
  elseif #self.to == 0 then
    usual = "554 5.5.1 no valid recipients"
  end
  local code = self:reply(verb, nil, argument, usual)
  if code < 300 or code > 399 then return end
  self.body, self.mode, self.received = body.new(size_limit(self)), "data", 0
end

-- RFC 3030 §2: the bytes of a chunk follow whatever the answer will be.
local function bdat(self, verb, argument)
  local size, last = argument:match("^(%d+) ?(%a*)$")
  last = last and last:upper()
  if not size or (last ~= "" and last ~= "LAST") or not extensions.offers(self, "CHUNKING") then
    self:reply(verb, nil, argument,
      size and "502 5.5.1 not implemented" or "501 5.5.4 syntax: BDAT size [LAST]")
    return
  end
  self.body = self.body or body.new(size_limit(self))
  self.chunks = (self.chunks or 0) + 1
  self.chunk_left, self.chunk_last = tonumber(size), last == "LAST"
  self.chunk_size, self.mode = tonumber(size), "bdat"
end

local function chunk_problem(self)
  if self.chunk_refused then return "503 5.5.1 an earlier chunk was refused" end
  if not self.from then return "503 5.5.1 sender first" end
  return message_problem(self, self.body.size)
end

---A chunk is complete. The script knows the last one as ".", others as "BDAT".
function commands.finish_chunk(self)
  local problem = chunk_problem(self)
  if self.chunk_last and not problem then
    commands.finish(self, self.body:wire(), nil)
    return
  end
  local code = self:reply(self.chunk_last and "." or "BDAT", nil, tostring(self.chunk_size),
    problem or ("250 2.0.0 %d octets"):format(self.chunk_size))
  if self.chunk_last then
    commands.reset(self)
  elseif not accepted(code) then
    -- What follows is refused until RSET or the last chunk (RFC 3030 §2).
    self.chunk_refused = true
  end
end

local handlers = {
  EHLO = hello, HELO = hello, LHLO = hello,
  STARTTLS = starttls, AUTH = login,
  MAIL = mail, RCPT = rcpt, DATA = data, BDAT = bdat,
  RSET = rset, QUIT = quit,
  NOOP = answer "250 2.0.0 ok",
  HELP = answer "214 2.0.0 see RFC 5321",
  VRFY = answer "252 2.1.5 send and see",
  EXPN = answer "252 2.1.5 send and see",
}

---@param self table session
---@param verb string in upper case
---@param line string
function commands.run(self, verb, line)
  local argument = line:sub(#verb + 1):gsub("^ ", "")
  local handler = handlers[verb]
  if self.refusing and verb ~= "QUIT" then
    -- RFC 5321 §3.1: after a 554 greeting, only QUIT.
    self:reply(verb, nil, argument, "503 5.5.1 no service here")
  elseif line:find("[\r\n%z]") or not handler then
    self:reply(verb, nil, argument, "500 5.5.2 command not recognised")
  else
    handler(self, verb, argument)
  end
end

return commands
